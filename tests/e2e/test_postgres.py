"""Airflow on PostgreSQL with LocalExecutor, as in docker-compose.yaml: a whole day, a backfill, and nothing left."""

import shutil
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from whole_stack import DAG, SCALE, Stack

from retailflow_local import postgres
from retailflow_local.simulator.files import deliver_day
from retailflow_local.state import Simulation
from retailflow_local.workspace import PROCESSES, Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(3600)]

FIRST = date(2026, 1, 15)


@pytest.mark.skipif(
    postgres.server() is None, reason="PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)"
)
def test_a_day_and_a_backfill_of_five_on_postgresql_end_green_and_leave_no_process(tmp_path):
    workspace = Workspace(tmp_path)
    try:
        with workspace.running(airflow=True, simulation=Simulation(7, SCALE, "some"), database="postgres"):
            stack = Stack(workspace)
            days = [FIRST + timedelta(days=number) for number in range(6)]
            for day in days:
                deliver_day(workspace.raw_store(), stack.world, day)
            alone = stack.wait(stack.trigger(FIRST), lambda states: states["run"] == "success")
            assert set(alone.values()) == {"success"}

            first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (days[1], days[-1]))
            stack.airflow.backfill(DAG, first, last + timedelta(days=1), max_active_runs=2)
            deadline = time.monotonic() + 2400
            while (backfill := stack.airflow.backfills(DAG)[0])["completed_at"] is None:
                assert time.monotonic() < deadline, backfill
                time.sleep(5)
            runs = stack.airflow.dag_runs(DAG, "backfill")
            assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(d), "success") for d in days[1:]]
            for run in runs:
                assert set(stack.states(run["dag_run_id"]).values()) == {"success"}
        assert workspace.processes.members(PROCESSES) == []
    finally:
        shutil.rmtree(postgres.folder(workspace.root, workspace.secrets.postgres_password), ignore_errors=True)
