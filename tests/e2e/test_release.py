"""A second release beside a running day, and the way back: each DAG run keeps the release that it began with."""

import time
from datetime import date

import pytest
from whole_stack import DAG

from retailflow.release import Release
from retailflow_local import releases
from retailflow_local.simulator.files import deliver_day
from retailflow_local.spark_client import session
from retailflow_local.state import workspace_files

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(3600)]

DAYS = date(2026, 1, 15), date(2026, 1, 16), date(2026, 1, 17)
SECOND = Release("0.1.0+gsecond")


def deploy(stack, version: str) -> None:
    """Deploy by one command; then wait until Airflow gives the release to new runs."""
    releases.deploy(stack.workspace.root, version)
    deadline = time.monotonic() + 180
    while stack.airflow.dag(DAG)["bundle_version"] != version:
        assert time.monotonic() < deadline
        time.sleep(1)


def code_of(stack, run_id: str) -> set[str]:
    """Return the releases whose code has written rows for this run."""
    query = f"SELECT DISTINCT code_version FROM spark_catalog.ops.task_attempts WHERE dag_run_id = '{run_id}'"
    with session(stack.workspace.spark_remote) as spark:
        return {row.code_version for row in spark.sql(query).collect()}


def test_a_running_day_keeps_its_release_and_the_next_takes_the_new_one(stack):
    first = stack.workspace.release.version
    running = stack.trigger(DAYS[0])
    stack.wait(running, lambda states: states.get("raw.ingest_orders") == "success")  # its files have not come yet
    releases.build(workspace_files(stack.workspace.root) / "releases", SECOND)
    deploy(stack, SECOND.version)
    deliver_day(stack.workspace.raw_store(), stack.world, DAYS[0])
    stack.wait(running, lambda states: states["run"] == "success")
    assert code_of(stack, running) == {first}
    deliver_day(stack.workspace.raw_store(), stack.world, DAYS[1])
    following = stack.trigger(DAYS[1])
    stack.wait(following, lambda states: states["run"] == "success")
    assert code_of(stack, following) == {SECOND.version}
    deploy(stack, first)
    back = stack.trigger(DAYS[2])
    stack.wait(back, lambda states: states.get("raw.ingest_orders") == "success")
    assert stack.airflow.dag_run(DAG, back)["bundle_version"] == first
