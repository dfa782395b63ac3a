"""Reads the daily runs from Airflow's own database. No other module reads Airflow's models."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow.models.backfill import Backfill
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from retailflow.dates import ingestion_date_of
from retailflow_airflow.missing import REMEMBERED, Known

DAG_ID = "retailflow_daily"
NOTE = "incident"  # see failure.py
# The DAGs whose jobs write the tables that the page reads.
WRITERS = (DAG_ID, "retailflow_erase", "retailflow_maintenance", "retailflow_publish", "retailflow_replay")


@dataclass(frozen=True)
class Task:
    """A task of a day's newest run. `state` is Airflow's state; None if Airflow has not scheduled the task yet."""

    run_id: str
    state: str | None
    try_number: int
    ended_at: datetime | None


@dataclass(frozen=True)
class Try:
    number: int
    state: str | None
    started_at: datetime | None
    ended_at: datetime | None


def tasks(session: Session, first: date, last: date) -> dict[tuple[date, str], Task]:
    """Return the tasks of the newest run for each ingestion date from `first` to `last`, by date and task id."""
    days = _runs(session, first, last)
    found = session.execute(
        select(
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.state,
            TaskInstance.try_number,
            TaskInstance.end_date,
        )
        .join(TaskInstance.dag_run)
        .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id.in_(days))
        .order_by(DagRun.id)
    )
    return {(days[one.run_id], one.task_id): Task(one.run_id, *one[2:]) for one in found}


def last_written(session: Session) -> datetime | None:
    """Return the last end of a task that may have changed the tables of this page; None if there is none."""
    return session.scalar(select(func.max(TaskInstance.end_date)).where(TaskInstance.dag_id.in_(WRITERS)))


def missing_days(session: Session) -> list[date]:
    """Return the scheduled days that the watch reports as missing, without days that a run has filled or will fill.

    A queued run of a cancelled backfill fills nothing: Airflow never starts it.
    """
    row = session.scalar(select(Variable).where(Variable.key == REMEMBERED))
    found = Known.read(json.loads(row.val).get("days", {})).missing if row else frozenset()
    if not found:
        return []
    may_start = and_(DagRun.state == DagRunState.QUEUED, Backfill.completed_at.is_(None))
    goes_on = or_(DagRun.state.in_((DagRunState.RUNNING, DagRunState.SUCCESS)), may_start)
    return sorted(found - set(_runs(session, min(found), max(found), goes_on).values()))


def _runs(session: Session, first: date, last: date, *which: ColumnElement[bool]) -> Mapping[str, date]:
    """Return the ingestion date of each run, by the run's id, for ingestion dates from `first` to `last`."""
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    by_hand = and_(DagRun.run_type == DagRunType.MANUAL, DagRun.run_after >= start)
    columns = (DagRun.run_id, DagRun.conf, DagRun.logical_date, DagRun.run_after)
    query = select(*columns).outerjoin(Backfill, DagRun.backfill_id == Backfill.id)
    query = query.where(
        DagRun.dag_id == DAG_ID, or_(and_(DagRun.logical_date >= start, DagRun.logical_date < end), by_hand), *which
    )
    return {run.run_id: day for run in session.execute(query) if first <= (day := _ingestion_date(run)) <= last}


def tries(session: Session, task: Task, task_id: str) -> list[Try]:
    """Return all tries of a task in that run, in order."""
    found: dict[int, Try] = {}
    for model in (TaskInstanceHistory, TaskInstance):
        query = select(model.try_number, model.state, model.start_date, model.end_date).where(
            model.dag_id == DAG_ID, model.run_id == task.run_id, model.task_id == task_id, model.map_index == -1
        )
        found |= {row.try_number: Try(*row) for row in session.execute(query)}
    return [found[number] for number in sorted(found) if number > 0]


def databricks_page(session: Session, task: Task, task_id: str) -> str | None:
    """Return the address of the task's newest run in Databricks; None if there is none that is safe to link."""
    url = _left(session, task, task_id, "run_page_url")
    return url if isinstance(url, str) and url.startswith(("https://", "http://127.0.0.1:")) else None


def note(session: Session, task: Task, task_id: str) -> Mapping[str, Any]:
    """Return the note that the task's last try left: see failure.py. It is empty if the try left none."""
    found = _left(session, task, task_id, NOTE)
    return found if isinstance(found, dict) else {}


def _left(session: Session, task: Task, task_id: str, key: str) -> Any:
    query = XComModel.get_many(run_id=task.run_id, key=key, task_ids=task_id, dag_ids=DAG_ID, limit=1)
    row = session.scalars(query).first()
    return XComModel.deserialize_value(row) if row else None


def _ingestion_date(run: Any) -> date:
    """Return the ingestion date of a run. A run with an invalid date in its form has failed; ignore the form then."""
    moments = run.logical_date, run.run_after
    try:
        return ingestion_date_of((run.conf or {}).get("ingestion_date"), *moments)
    except ValueError:
        return ingestion_date_of(None, *moments)
