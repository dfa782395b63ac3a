"""The net under the mails of failed tasks: what a task's own process could not tell, `retailflow_watch` does.

A failed task mails itself, in a callback of its own process. No callback runs where that process alone was killed, and
one may raise. So each DAG leaves a Variable for a run that has failed, and the watch mails at its next look what nobody
has mailed of it.
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
_IN_PROGRESS = timedelta(minutes=5)  # a process that mails is ended long before: core.task_success_overtime
_MAPPED = re.compile(
    r"(?P<task_id>.+)_(?P<index>\d+)"
)  # as Airflow names an index of a mapped task; no id of ours is so


@dataclass(frozen=True)
class FailedTask:
    """A failed task instance and its note, which is empty where its process left none. An index of -1 is not mapped."""

    task_id: str
    map_index: int
    note: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str) -> Self:
        """By its name among the states of a run."""
        found = _MAPPED.fullmatch(name)
        return cls(found["task_id"], int(found["index"])) if found else cls(name, -1)

    @property
    def name(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"


@dataclass(frozen=True)
class FailedRun:
    """What is known of a run with failed tasks, in a Variable of its own.

    `mailed` names those that others than their own process have mailed. `clears` is how often the run had been cleared,
    None where nobody knows. `is_open` says that the watch has to look at it. `seen_on` is the day of the first failure.
    `told` are the causes of which a first task has mailed itself; the others that fail by them are told together.
    """

    dag_id: str
    run_id: str
    seen_on: str
    ingestion_date: str | None = None
    clears: int | None = None
    is_open: bool = False
    mailed: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @classmethod
    def read(cls, dag_id: str, run_id: str) -> Self:
        found = Variable.get(_key(dag_id, run_id), default=None, deserialize_json=True)
        return cls._of(found) if found else cls(dag_id, run_id, f"{datetime.now(UTC):%Y-%m-%d}")

    @classmethod
    def open(cls) -> list[Self]:
        """Those that the watch has to look at.

        Forgets what is older than a week: who clears such a run has it remembered anew.
        """
        found = [cls._of(Variable.get(key, deserialize_json=True)) for key in Variable.keys(prefix=_PREFIX)]
        oldest = datetime.now(UTC).date() - timedelta(days=_KEPT_DAYS)
        for one in found:
            if date.fromisoformat(one.seen_on) < oldest:
                Variable.delete(_key(one.dag_id, one.run_id))
        return [one for one in found if one.is_open]

    @classmethod
    def _of(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**found, "mailed": tuple(found["mailed"]), "told": tuple(found["told"])})

    def after(self, clears: int | None) -> Self:
        """The same once it had been cleared so often: what was mailed before is no more."""
        if clears is None or clears == self.clears:
            return self
        return replace(self, clears=clears) if self.clears is None else replace(self, clears=clears, mailed=(), told=())

    def subject(self, task: FailedTask) -> str:
        """What a card of the task is about: its table or feed, else its DAG and its name."""
        if self.dag_id == "retailflow_daily":
            return task.task_id.replace("raw.ingest_", "raw.")
        return f"{self.dag_id} {task.name}"

    def write(self) -> None:
        Variable.set(_key(self.dag_id, self.run_id), asdict(self), serialize_json=True)


def remember(context: Mapping[str, Any]) -> None:
    """The `on_failure_callback` of every DAG, which the DAG processor calls: the watch is to look at this run."""
    replace(failed_run(context["dag"].dag_id, context["run_id"], context), is_open=True).write()


def failed_run(dag_id: str, run_id: str, context: Mapping[str, Any]) -> FailedRun:
    """What is known of the run that a callback speaks of."""
    run = context.get("dag_run")
    found = FailedRun.read(dag_id, run_id).after(getattr(run, "clear_number", None))
    if dag_id == "retailflow_daily" and run is not None:
        with suppress(AirflowFailException):  # a form that makes no sense is what has failed
            return replace(found, ingestion_date=ingestion_date(run, context["params"]))
    return found


def not_mailed(ti: Any, run: FailedRun, states: Mapping[str, str | None]) -> tuple[list[FailedTask], FailedRun]:
    """The failed tasks of a run that nobody has mailed, and what to remember once they are.

    Args:
        states: of all its tasks, by their names.
    """
    failed = [FailedTask.of(name) for name in sorted(states) if states[name] == "failed"]
    known = tuple(one.name for one in failed if one.name in run.mailed)
    noted = [replace(one, note=pulled(ti, run, one)) for one in failed if one.name not in known]
    found = [one for one in noted if not one.note.get("is_mailed") and not _is_in_progress(one.note)]
    is_open = run.is_open and any(_is_in_progress(one.note) for one in noted)
    return found, replace(run, is_open=is_open, mailed=(*known, *(one.name for one in found)))


def pulled(ti: Any, run: FailedRun, task: FailedTask) -> dict[str, Any]:
    """The note of a failed task: `error`, `databricks_url`, `try_number`, and whether it `is_mailed`."""
    where = {"dag_id": run.dag_id, "run_id": run.run_id, "task_ids": task.task_id, "map_indexes": task.map_index}
    return ti.xcom_pull(key=NOTE, **where) or {}


def _is_in_progress(note: Mapping[str, Any]) -> bool:
    """Whether its process may still be about to mail it."""
    if not note or note.get("is_mailed") or note.get("is_told"):
        return False
    return datetime.now(UTC) - datetime.fromisoformat(note["at"]) < _IN_PROGRESS


def _key(dag_id: str, run_id: str) -> str:
    return _PREFIX + hashlib.sha256(f"{dag_id} {run_id}".encode()).hexdigest()[:32]
