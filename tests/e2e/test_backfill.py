"""Backfills as people make them: three days at once, backwards, by the command line; then again by the REST API."""

import subprocess
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic, sleep
from typing import Any

import pytest

from retailflow.contracts import entities, gold_tables
from retailflow_local import airflow
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.trouble import Trouble

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(2400)]

DAG = "retailflow_daily"
DAYS = [date(2026, 1, 15) + timedelta(days=number) for number in range(3)]
ALL = [table.name for contract in (*entities(), *gold_tables()) for table in contract.tables]


def test_three_days_at_once_and_backwards_leave_what_the_same_days_in_order_leave(stack):
    for day in DAYS:
        deliver_day(stack.workspace.raw_store(), stack.world, day, Trouble.some())
    span = ("--from-date", str(DAYS[0]), "--to-date", f"{DAYS[-1]}T23:59")  # a moment: the last day starts at 02:00
    options = ("--max-active-runs", "3", "--run-backwards")
    command = airflow.command("backfill", "create", "--dag-id", DAG, *span, *options)
    said = subprocess.run(command, env=stack.workspace.environment(), capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    starts = [run["start_date"] for run in finished(stack, 1)]
    assert starts == sorted(starts, reverse=True)
    backwards = stack.rows(ALL)

    midnights = (datetime.combine(day, time(), UTC) for day in (DAYS[0], DAYS[-1] + timedelta(days=1)))
    stack.airflow.backfill(DAG, *midnights, max_active_runs=1, reprocess_behavior="completed")
    assert min(run["start_date"] for run in finished(stack, 2)) > max(starts)
    in_order = stack.rows(ALL)
    assert [name for name in ALL if in_order[name] != backwards[name]] == []
    assert all(in_order[f"gold.{table.name}"] for table in gold_tables())


def finished(stack, backfills: int) -> list[dict[str, Any]]:
    """The days' runs, in order, once that many backfills have ended."""
    deadline = monotonic() + 1200
    while [found["completed_at"] is None for found in stack.airflow.backfills(DAG)] != [False] * backfills:
        assert monotonic() < deadline
        sleep(5)
    runs = stack.airflow.dag_runs(DAG, "backfill")
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(day), "success") for day in DAYS]
    return runs
