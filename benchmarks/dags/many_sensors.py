"""A DAG with `count` sensors. Each waits for its own `_SUCCESS`, as the feeds of a day do."""

from datetime import UTC, datetime

from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.sdk import DAG, Param, task

POKE_SECONDS = 20

with DAG(
    dag_id="many_sensors",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule=None,
    params={"count": Param(500, type="integer")},
):

    @task
    def blobs(params=None) -> list[str]:
        return [f"sensors/{number:04}/_SUCCESS" for number in range(params["count"])]

    WasbBlobSensor.partial(
        task_id="wait",
        container_name="raw",
        deferrable=True,
        poke_interval=POKE_SECONDS,
        timeout=7200,
    ).expand(blob_name=blobs())
