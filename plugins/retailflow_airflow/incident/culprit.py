"""Finds the task that delays a table of the daily run: one answer for the e-mail, the page and the command line."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow.incident.model import Event, Facts

DAILY = "retailflow_daily"
_NOTED = ("error", "databricks_url", "try_number")


def tasks_before(table: str) -> list[str]:
    """Return the tasks of the daily DAG that a table, or its raw or bronze task, needs; its own task comes last."""
    layer, _, name = table.partition(".")
    if layer == "gold":
        sources = next(
            (contract.sources for contract in gold_tables() if contract.name == name), ()
        )  # publish has none
        before = [task for source in sources for task in tasks_before(source)]
        return [*dict.fromkeys(before), table]
    of_feed = [one for one in feeds() if name == one.name or table in [kept.name for kept in one.silver_tables]]
    contract = of_feed[0]
    ingest = [f"raw.ingest_{contract.name}"] if contract.delivery == "api" else []
    layers = ("raw", "bronze", "silver")
    return [*ingest, *(f"{where}.{contract.name}" for where in layers[: layers.index(layer) + 1])]


def culprit(states: Mapping[str, str | None], table: str) -> str:
    """Return the first task before the table that has not succeeded, or the table's own task if all have succeeded."""
    return next((task for task in tasks_before(table) if states.get(task, "success") != "success"), table)


def facts_of(
    event: Event,
    table: str,
    day: date,
    run_id: str | None,
    states: Mapping[str, str | None],
    note: Callable[[str], Mapping[str, Any]],
    **more: Any,
) -> Facts:
    """Return the facts about a table that the daily run has not made yet.

    Args:
        run_id: the id of the run of the date; None if there is no run.
        states: the states of its tasks, by task id.
        note: returns the note that a failed task left, by its id; see failure.py.
    """
    task_id = culprit(states, table) if run_id else None
    state = states.get(task_id) if task_id else None
    found = note(task_id) if task_id and state == "failed" else {}
    said = {name: found[name] for name in _NOTED if found.get(name)} | more
    return Facts(event, table, day, DAILY, run_id, task_id, state=state, **said)
