"""Backfills as people make them: three days at once, backwards, by the command line; then again by the REST API.

Also a cancelled backfill, repaired as docs/runbooks/backfill_a_month.md says.
"""

import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from retailflow.contracts import feeds, gold_tables
from retailflow_local import airflow
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.trouble import Trouble

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(4800)]

DAG = "retailflow_daily"
DAYS = [date(2026, 1, 15) + timedelta(days=number) for number in range(3)]
ALL = [table.name for contract in (*feeds(), *gold_tables()) for table in contract.tables]


def test_three_days_at_once_and_backwards_leave_what_the_same_days_in_order_leave(stack):
    for day in DAYS:
        deliver_day(stack.workspace.raw_store(), stack.world, day, Trouble.some())
    span = ("--from-date", str(DAYS[0]), "--to-date", f"{DAYS[-1]}T23:59")  # a moment: the last day starts at 02:00
    options = ("--max-active-runs", "3", "--run-backwards")
    run_airflow(stack, "backfill", "create", "--dag-id", DAG, *span, *options)
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
    """Return the runs of the days, in order, once that many backfills have ended."""
    until(lambda: [found["completed_at"] is None for found in stack.airflow.backfills(DAG)] == [False] * backfills)
    runs = stack.airflow.dag_runs(DAG, "backfill")
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(day), "success") for day in DAYS]
    return runs


RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "backfill_a_month.md"
FIRST, SECOND = date(2026, 2, 1), date(2026, 2, 2)


def test_a_cancelled_backfill_is_mended_by_the_runbook_and_by_nothing_else(stack):
    span = ("--from-date", str(FIRST), "--to-date", f"{SECOND}T23:59")
    create = ("backfill", "create", "--dag-id", DAG, *span, "--max-active-runs", "1")
    run_airflow(stack, *create)
    until(lambda: states(stack) == ["running", "queued"])  # nothing is delivered yet, so the first day waits
    stack.airflow.cancel_backfill(stack.airflow.backfills(DAG)[-1]["id"])
    assert states(stack) == ["running", "failed"]

    run_airflow(stack, *create)
    until(lambda: all(found["completed_at"] for found in stack.airflow.backfills(DAG)))
    assert states(stack) == ["running", "failed"]

    stack.airflow.clear_run(DAG, runs(stack)[1]["dag_run_id"])
    for day in (FIRST, SECOND):
        deliver_day(stack.workspace.raw_store(), stack.world, day)
    until(lambda: states(stack)[0] == "success")  # by then the scheduler has looked many times at what it may start
    assert states(stack) == ["success", "queued"]

    stack.airflow.mark_failed(DAG, runs(stack)[1]["dag_run_id"])
    ended = runs(stack)[0]["end_date"]
    run_airflow(stack, *command_of_the_runbook())
    until(lambda: states(stack) == ["success", "success"])
    assert runs(stack)[0]["end_date"] == ended


def command_of_the_runbook() -> list[str]:
    """Return the first command of the runbook, for these days."""
    block = re.search(r"```bash\n\./retailflow airflow (.+?)```", RUNBOOK.read_text(), re.DOTALL)
    text = block[1].replace("\\\n", " ").replace("2026-01-01", str(FIRST)).replace("2026-01-31", str(SECOND))
    return shlex.split(text)


def runs(stack) -> list[dict[str, Any]]:
    """Return the backfill runs of the two days, in order."""
    found = stack.airflow.dag_runs(DAG, "backfill")
    return [run for run in found if run["logical_date"][:10] in (str(FIRST), str(SECOND))]


def states(stack) -> list[str]:
    return [run["state"] for run in runs(stack)]


def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + 1800  # three days at once on two busy cores
    while not holds():
        assert monotonic() < deadline
        sleep(3)


def run_airflow(stack, *arguments: str) -> None:
    command = airflow.command(*arguments)
    said = subprocess.run(command, env=stack.workspace.environment(), capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
