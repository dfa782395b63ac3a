"""How we wait for a delivery in RAW."""

from datetime import timedelta

from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor

from retailflow.contracts import EntityContract
from retailflow.environments import Environment
from retailflow.raw import SUCCESS

_DOC = """Waits until the day's delivery of **{entity}** is complete.

- **Reads** only whether `{entity}/ingestion_date=<date>/_SUCCESS` exists in the RAW container; **writes** nothing.
- **Normal**: deferred, holding no worker slot, until the source has delivered. Fails after {hours} hours, not retried.
- **Safe to clear**: always; it waits again.
- **Where to look**: the folder in RAW. A manifest below `_batches` and no `_SUCCESS` means that the source is not done.
"""


def landed(env: Environment, entity: EntityContract) -> WasbBlobSensor:
    """The sensor of the current task group, named like the entity, waiting for the day's `_SUCCESS`."""
    limit = timedelta(hours=env.sensor.timeout_hours)
    return WasbBlobSensor(
        task_id=entity.name,
        container_name=env.raw.container,
        # The form of retailflow.raw.day_path, for a date that is known only when the task runs.
        blob_name=f"{entity.name}/ingestion_date={{{{ ingestion_date(dag_run, params) }}}}/{SUCCESS}",
        deferrable=True,
        poke_interval=env.sensor.poke_seconds,
        timeout=limit.total_seconds(),
        execution_timeout=limit,
        owner=entity.owner,
        doc_md=_DOC.format(entity=entity.name, hours=env.sensor.timeout_hours),
    )
