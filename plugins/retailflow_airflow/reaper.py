"""Finds the last attempt of each task of a Databricks run, and cancels runs that no task waits for any more.

The name of a run identifies its task instance.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook

from retailflow_airflow.macros import airflow_mark

_log = logging.getLogger(__name__)
_LARGEST_PAGE = 25  # the limit of Databricks' runs/list
# retailflow_daily/bronze.orders/2026-01-15/try 1 (prod, 5e8f02a1, scheduled__2026-01-16T02:00:00+00:00); see submit.py
_NAME = re.compile(
    r"(?P<dag_id>[\w.-]+)/(?P<task_id>[\w.-]+)/[^/]+/try (?P<try_number>\d+)"
    r" \((?P<environment>\w+), (?P<airflow>\w+), (?P<run_id>[^,]+?)(, (?P<map_index>\d+))?\)"
)
_ALIVE = ("running", "deferred")


@dataclass(frozen=True)
class Instance:
    """A task instance of Airflow, for all its tries. `map_index` is -1 for a task that is not mapped."""

    environment: str
    airflow: str  # the mark of its Airflow: see macros.py
    dag_id: str
    run_id: str
    task_id: str
    map_index: int


def last_attempts(run: Mapping[str, Any]) -> list[int]:
    """Return the run id of the last attempt of each task. Databricks lists all attempts, in no guaranteed order."""
    attempts = sorted(run["tasks"], key=lambda task: task.get("attempt_number", 0))
    return list({task["task_key"]: task["run_id"] for task in attempts}.values())


def instance_of(name: str) -> tuple[Instance, int] | None:
    """Return the task instance and the try number in the name of a run; None if the run is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    index = -1 if found["map_index"] is None else int(found["map_index"])
    whose = Instance(found["environment"], found["airflow"], found["dag_id"], found["run_id"], found["task_id"], index)
    return whose, int(found["try_number"])


def reap(environment: str, ti: Any = None) -> None:
    """Cancels the Databricks runs whose try has ended in Airflow.

    - **Reads** the active runs of Databricks, and the states of their tasks in Airflow; **writes** nothing.
    - **Safe to clear**: always.
    - **Where to look**: this task's log names each run that it cancels.
    """
    hook, mark, refused = _Hook(), airflow_mark(), 0
    active = [(run, *found) for run in hook.active_runs() if (found := instance_of(run["run_name"]))]
    newest: dict[Instance, int] = {}
    for _, whose, number in active:
        newest[whose] = max(number, newest.get(whose, 0))
    for run, whose, number in active:
        if (whose.environment, whose.airflow) != (environment, mark):
            continue
        # The state is read after the list of runs, so a try that is not alive now will not submit anything.
        known = ti.get_task_states(
            dag_id=whose.dag_id, run_ids=[whose.run_id], task_ids=[whose.task_id], map_index=whose.map_index
        ).get(whose.run_id)
        if not known:  # the DAG run was deleted
            continue
        (state,) = known.values()
        if state not in _ALIVE or number < newest[whose]:
            try:
                hook.cancel_run(run["run_id"])
            except Exception as error:  # the other runs must still be cancelled
                refused += 1
                _log.warning("Databricks did not cancel %s: %s", run["run_name"], error)
            else:
                _log.info("Canceled %s: its task is %s. %s", run["run_name"], state or "cleared", run["run_page_url"])
    if refused:
        raise RuntimeError(f"Databricks did not cancel {refused} runs; the next try asks again.")


class _Hook(DatabricksHook):
    def active_runs(self) -> Iterator[dict[str, Any]]:
        """Yield the submitted runs that have not ended, newest first."""
        query: dict[str, Any] = {"active_only": True, "run_type": "SUBMIT_RUN", "limit": _LARGEST_PAGE}
        while True:
            page = self._do_api_call(("GET", "2.2/jobs/runs/list"), query)
            yield from page.get("runs", [])
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]
