"""Reports a task whose last try has failed: sends one e-mail, and leaves a note of the error as an XCom of the task."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from airflow.providers.databricks.operators.databricks import XCOM_RUN_PAGE_URL_KEY, DatabricksSubmitRunOperator

from retailflow.environments import Environment, load_environment
from retailflow_airflow import causes, mail, repeats
from retailflow_airflow.incident import Event, Facts, RunLog, collect
from retailflow_airflow.incident.errors import first_line, kind_of
from retailflow_airflow.incident.model import Kind
from retailflow_airflow.macros import ingestion_date
from retailflow_airflow.replay import planned
from retailflow_airflow.unmailed import NOTE, FailedTask, failed_run, pulled
from retailflow_airflow.warehouse import Warehouse

# The time for the card's queries. Airflow ends the process of a failed task after core.task_success_overtime, and a
# slow mail server needs most of that time.
CARD_SECONDS = 8
_PLANNED = ("retailflow_replay", "retailflow_erase")  # their mapped tasks take feed and date from a plan
_log = logging.getLogger(__name__)


def report(context: Mapping[str, Any]) -> None:
    """Report a failed task, as the `on_failure_callback` of every task.

    Airflow calls it in the task's own process. If that process was lost together with its supervisor, the DAG
    processor calls it, without the exception. If only the process was killed, nobody calls it: see unmailed.py.
    """
    env, facts, ti = load_environment(), _facts(context), context["ti"]
    if "exception" not in context:
        _report_lost(context, facts, env)
        return
    note = {"error": first_line(facts.error), "databricks_url": facts.databricks_url, "try_number": ti.try_number}
    note["at"] = datetime.now(UTC).isoformat()
    kind = kind_of(facts)
    if kind is Kind.WRONG_FORM and ti.task_id != min(task.task_id for task in context["task"].dag.roots):
        _leave(ti, {**note, "is_mailed": True})  # all first tasks fail because of the same form: one of them reports it
        return
    if repeats.is_known(ti.dag_id, ti.task_id):
        _leave(ti, {**note, "is_mailed": True})
        return
    is_cause_mailed = False
    if kind.is_shared:
        cause, is_cause_mailed = causes.seen(kind)
        facts, note["cause"] = replace(facts, cause=cause), cause
    if cause := _shared_cause(facts, kind):
        run = failed_run(ti.dag_id, ti.run_id, context)
        if is_cause_mailed or cause in run.mailed_causes:  # the watch reports the other tasks in one mail
            _leave(ti, {**note, "is_cause_mailed": True})
            replace(run, is_open=True).write()
            return
        replace(run, mailed_causes=(*run.mailed_causes, cause)).write()
    _leave(ti, note)
    mail.send(collect(facts, env, RunLog(Warehouse(env), CARD_SECONDS)), env, f"failed {ti.id}")
    _leave(ti, {**note, "is_mailed": True})


def _shared_cause(facts: Facts, kind: Kind) -> str:
    """Return the cause that other tasks of the run may share, or an empty text if none is known.

    If two tasks fail at the same moment, both may report it: the Variable that records the first one has no lock.
    """
    if kind.is_shared:
        return kind
    return f"{facts.task_id} {kind}" if facts.map_index >= 0 else ""


def _leave(ti: Any, note: Mapping[str, Any]) -> None:
    """Write the note as an XCom of the task. Airflow deletes it when the task runs again."""
    try:
        ti.xcom_push(NOTE, dict(note))
    except Exception as error:  # the mail must be sent anyway
        _log.warning("The note for the watch could not be written: %s", error)


def _report_lost(context: Mapping[str, Any], facts: Facts, env: Environment) -> None:
    """Report a lost task from the DAG processor, which can write no XCom and must not wait for a warehouse.

    Airflow may call it twice for one try, and also for a try that the task itself has reported.
    """
    ti = context["ti"]
    run, task = failed_run(ti.dag_id, ti.run_id, context), FailedTask(ti.task_id, facts.map_index)
    if task.name in run.mailed or pulled(ti, run, task).get("is_mailed"):
        return
    mail.send(collect(facts, env, None), env, f"failed {ti.id}")
    replace(run, mailed=(*run.mailed, task.name)).write()


def _facts(context: Mapping[str, Any]) -> Facts:
    ti, error = context["ti"], context.get("exception")
    subject, day = _subject(context)
    return Facts(
        event=Event.FAILED,
        subject=subject,
        ingestion_date=day,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        state="failed",
        try_number=ti.try_number,
        error=f"{type(error).__name__}: {error}" if error else "",
        databricks_url=_databricks_url(context),
    )


def _databricks_url(context: Mapping[str, Any]) -> str | None:
    if not isinstance(context["task"], DatabricksSubmitRunOperator):
        return None
    ti = context["ti"]
    return ti.xcom_pull(task_ids=ti.task_id, key=XCOM_RUN_PAGE_URL_KEY, map_indexes=ti.map_index)


def _subject(context: Mapping[str, Any]) -> tuple[str, date | None]:
    """Return the table or feed, and the ingestion date. For a task without them, return its name and None."""
    ti = context["ti"]
    layer, _, name = ti.task_id.partition(".")
    try:
        if ti.dag_id in _PLANNED and name:
            item = planned(ti)
            return (f"{layer}.{item['feed']}" if name == "feed" else ti.task_id), date.fromisoformat(item["date"])
        if ti.dag_id == "retailflow_daily":
            subject = ti.task_id.replace("raw.ingest_", "raw.")
            return subject, date.fromisoformat(ingestion_date(context["dag_run"], context["params"]))
    except Exception as error:  # the form or the plan is wrong: the mail must be sent anyway
        _log.info("The date of the task is unknown: %s", error)
    return f"{ti.dag_id} {ti.task_id}", None
