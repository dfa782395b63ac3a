"""The safety net of failure mails: `retailflow_watch` reports failed tasks that could not send a mail themselves.

A failed task sends its mail in a callback, in its own process. No callback runs if only that process was killed, and a
callback may raise. So each DAG writes a Variable for a failed run, and the watch then mails the failed tasks of the run
that nobody has mailed.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from retailflow_airflow.macros import ingestion_date

NOTE = "incident"  # the XCom of a failed task: see failure.py
_PREFIX = "retailflow_failed/"
_KEPT_DAYS = 7
_IN_PROGRESS = timedelta(minutes=5)  # Airflow ends a process that mails much earlier: core.task_success_overtime
_MAPPED = re.compile(
    r"(?P<task_id>.+)_(?P<index>\d+)"
)  # Airflow's name for an index of a mapped task; none of our task ids has this form


@dataclass(frozen=True)
class FailedTask:
    """A failed task instance and its note, which is empty if its process left none.

    `map_index` is -1 for a task that is not mapped.
    """

    task_id: str
    map_index: int
    note: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the task instance with this name in the states of a run."""
        found = _MAPPED.fullmatch(name)
        return cls(found["task_id"], int(found["index"])) if found else cls(name, -1)

    @property
    def name(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"


@dataclass(frozen=True)
class FailedRun:
    """The state of a run with failed tasks, stored in its own Variable.

    `mailed` names the tasks that another process has mailed for them. `clears` is how often the run had been cleared;
    None if unknown. `is_open` says that the watch has to look at the run. `seen_on` is the day of the first failure.
    `mailed_causes` are the causes that a first task has mailed itself; the watch mails the other tasks with these
    causes together.
    """

    dag_id: str
    run_id: str
    seen_on: str
    ingestion_date: str | None = None
    clears: int | None = None
    is_open: bool = False
    mailed: tuple[str, ...] = ()
    mailed_causes: tuple[str, ...] = ()

    @classmethod
    def read(cls, dag_id: str, run_id: str) -> Self:
        found = Variable.get(_key(dag_id, run_id), default=None, deserialize_json=True)
        return cls._of(found) if found else cls(dag_id, run_id, f"{datetime.now(UTC):%Y-%m-%d}")

    @classmethod
    def open(cls) -> list[Self]:
        """Return the runs that the watch has to look at, and delete Variables that are older than a week.

        If somebody clears an older run and it fails again, it gets a new Variable.
        """
        found = [cls._of(Variable.get(key, deserialize_json=True)) for key in Variable.keys(prefix=_PREFIX)]
        oldest = datetime.now(UTC).date() - timedelta(days=_KEPT_DAYS)
        for one in found:
            if date.fromisoformat(one.seen_on) < oldest:
                Variable.delete(_key(one.dag_id, one.run_id))
        return [one for one in found if one.is_open]

    @classmethod
    def _of(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**found, "mailed": tuple(found["mailed"]), "mailed_causes": tuple(found["mailed_causes"])})

    def after(self, clears: int | None) -> Self:
        """Return the state after `clears` clears: mails from before the last clear no longer count."""
        if clears is None or clears == self.clears:
            return self
        if self.clears is None:
            return replace(self, clears=clears)
        return replace(self, clears=clears, mailed=(), mailed_causes=())

    def subject(self, task: FailedTask) -> str:
        """Return the subject of the task's card: its table or feed, else its DAG and its name."""
        if self.dag_id == "retailflow_daily":
            return task.task_id.replace("raw.ingest_", "raw.")
        return f"{self.dag_id} {task.name}"

    def write(self) -> None:
        Variable.set(_key(self.dag_id, self.run_id), asdict(self), serialize_json=True)


def remember(context: Mapping[str, Any]) -> None:
    """Mark the run for the watch, as the `on_failure_callback` of every DAG. The DAG processor calls it."""
    replace(failed_run(context["dag"].dag_id, context["run_id"], context), is_open=True).write()


def failed_run(dag_id: str, run_id: str, context: Mapping[str, Any]) -> FailedRun:
    """Return the stored state of the run in a callback's context."""
    run = context.get("dag_run")
    found = FailedRun.read(dag_id, run_id).after(getattr(run, "clear_number", None))
    if dag_id == "retailflow_daily" and run is not None:
        with suppress(AirflowFailException):  # the run has failed because its form is invalid
            return replace(found, ingestion_date=ingestion_date(run, context["params"]))
    return found


def not_mailed(ti: Any, run: FailedRun, states: Mapping[str, str | None]) -> tuple[list[FailedTask], FailedRun]:
    """Return the failed tasks of a run that nobody has mailed, and the state to save once they are mailed.

    Args:
        states: the states of all tasks of the run, by task name.
    """
    failed = [FailedTask.of(name) for name in sorted(states) if states[name] == "failed"]
    known = tuple(one.name for one in failed if one.name in run.mailed)
    noted = [replace(one, note=pulled(ti, run, one)) for one in failed if one.name not in known]
    found = [one for one in noted if not one.note.get("is_mailed") and not _is_in_progress(one.note)]
    is_open = run.is_open and any(_is_in_progress(one.note) for one in noted)
    return found, replace(run, is_open=is_open, mailed=(*known, *(one.name for one in found)))


def pulled(ti: Any, run: FailedRun, task: FailedTask) -> dict[str, Any]:
    """Return the note of a failed task: `error`, `databricks_url`, `try_number`, and whether it `is_mailed`."""
    where = {"dag_id": run.dag_id, "run_id": run.run_id, "task_ids": task.task_id, "map_indexes": task.map_index}
    return ti.xcom_pull(key=NOTE, **where) or {}


def _is_in_progress(note: Mapping[str, Any]) -> bool:
    """Return whether the task's own process may still mail it."""
    if not note or note.get("is_mailed") or note.get("is_cause_mailed"):
        return False
    return datetime.now(UTC) - datetime.fromisoformat(note["at"]) < _IN_PROGRESS


def _key(dag_id: str, run_id: str) -> str:
    return _PREFIX + hashlib.sha256(f"{dag_id} {run_id}".encode()).hexdigest()[:32]
