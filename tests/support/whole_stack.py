"""A whole stack with a tiny world: Airflow with scheduler and triggerer, Jobs API, Spark, Azurite, sources."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from retailflow_local.airflow import AirflowClient
from retailflow_local.simulator.world import World
from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace

DAG = "retailflow_daily"
SCALE = 0.02


class Stack:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.world = World(7, SCALE)
        self.airflow: AirflowClient = workspace.airflow_client()
        self.airflow.wait_for_dag(DAG)

    def trigger(self, day: date) -> str:
        return self.airflow.trigger(DAG, datetime.combine(day, datetime.now(UTC).time(), UTC))

    def states(self, run_id: str) -> dict[str, str]:
        return {task["task_id"]: task["state"] for task in self.airflow.task_instances(DAG, run_id)}

    def wait(self, run_id: str, until: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Wait until `until` is true for the task states, and return them. The key `run` has the run's own state."""
        deadline = time.monotonic() + 1800  # on two busy cores a day takes a quarter of an hour
        while True:
            states = self.states(run_id) | {"run": self.airflow.dag_run(DAG, run_id)["state"]}
            if until(states):
                return states
            assert time.monotonic() < deadline, states
            assert states["run"] != "failed", states
            time.sleep(2)

    def rows(self, names: list[str]) -> dict[str, list[str]]:
        """Return every row of these tables as text, sorted."""
        with session(self.workspace.spark_remote) as spark:
            return {name: sorted(map(repr, spark.read.table(f"spark_catalog.{name}").collect())) for name in names}
