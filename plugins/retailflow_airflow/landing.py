"""Waits for a delivery in RAW."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.sdk.exceptions import AirflowSensorTimeout

from retailflow.contracts import FeedContract
from retailflow.environments import Environment
from retailflow.raw import SUCCESS, day_path
from retailflow_airflow.macros import ingestion_date
from retailflow_airflow.schedule import starts_at
from retailflow_airflow.submit import DATE

_DOC = """Waits until the day's delivery of **{feed}** is complete.

- **Reads** only whether `{feed}/ingestion_date=<date>/_SUCCESS` exists in the RAW container; **writes** nothing.
- **Normal**: deferred, without a worker slot, until the source has delivered. Gives up {hours} hours after the
  scheduled start of the day, or after the start of this run if that was later; a retry does not extend this time.
- **Safe to clear**: always; it waits again.
- **Where to look**: the folder in RAW. A manifest below `_batches` without `_SUCCESS` means that the source is not
  done.
"""


class DeliverySensor(WasbBlobSensor):
    """Waits for a blob until a deadline that all tries share.

    With the provider's own sensor, each try waits for its whole `timeout`, and an error of the trigger, for example a
    reset connection, uses up a try.
    """

    def __init__(self, *, env: Environment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._env = env
        self._longest = self.timeout

    def execute(self, context: Mapping[str, Any]) -> None:
        until = self._until(context)
        self.timeout = max((until - datetime.now(UTC)).total_seconds(), 0)
        if not self.timeout and not self.poke(context):
            raise AirflowSensorTimeout(
                f"{self.blob_name} is not there; this task waited for it until {until:%Y-%m-%d %H:%M} UTC."
            )
        super().execute(context)

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, str]) -> None:
        """Finish. After an error of the trigger, look from this task and wait again. Raises: an error of that look."""
        if event and event["status"] == "error":
            self.log.warning("The trigger could not look for the blob, so this task looks: %s", event["message"])
            self.execute(context)
        else:
            super().execute_complete(context, event)

    def _until(self, context: Mapping[str, Any]) -> datetime:
        day = date.fromisoformat(ingestion_date(context["dag_run"], context["params"]))
        begins = max(starts_at(self._env.schedule, day), context["dag_run"].start_date)
        return begins + timedelta(seconds=self._longest)


def landed(env: Environment, feed: FeedContract) -> DeliverySensor:
    """Return a sensor in the current task group, named like the feed. It waits for the day's `_SUCCESS`."""
    return DeliverySensor(
        env=env,
        task_id=feed.name,
        container_name=env.raw.container,
        blob_name=f"{day_path(feed.name, DATE)}/{SUCCESS}",
        deferrable=True,
        poke_interval=env.sensor.poke_seconds,
        timeout=timedelta(hours=env.sensor.timeout_hours).total_seconds(),
        execution_timeout=timedelta(minutes=10),  # limits one poke; the task is deferred while it waits
        owner=feed.owner,
        doc_md=_DOC.format(feed=feed.name, hours=env.sensor.timeout_hours),
    )
