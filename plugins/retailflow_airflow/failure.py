"""What happens when the last try of a task has failed: one e-mail, and a note of the error beside the task."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow.providers.databricks.operators.databricks import XCOM_RUN_PAGE_URL_KEY, DatabricksSubmitRunOperator
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from retailflow.environments import Environment, load_environment
from retailflow_airflow import mail
from retailflow_airflow.incident import Event, Facts, Ledger, collect
from retailflow_airflow.incident.errors import first_line
from retailflow_airflow.macros import ingestion_date
from retailflow_airflow.replay import planned
from retailflow_airflow.warehouse import Warehouse

LOST = "retailflow_lost"  # the Variable with the tries that the DAG processor has reported
_KEPT_TRIES = 200
KEY = "incident"  # the XCom of a failed task that holds the note; Airflow drops it when the task runs again


def report(context: Mapping[str, Any]) -> None:
    """The `on_failure_callback` of every task.

    Airflow calls it in the task's own process. Where that was lost the DAG processor calls it, without the exception.
    """
    env, facts, ti = load_environment(), _facts(context), context["ti"]
    if "exception" not in context:
        _report_lost(ti, facts, env)
        return
    note = {"error": first_line(facts.error), "databricks_url": facts.databricks_url, "try_number": ti.try_number}
    ti.xcom_push(KEY, note)
    mail.send(collect(facts, env, Ledger(Warehouse(env))), env, f"failed {ti.id}")
    ti.xcom_push(KEY, {**note, "is_mailed": True})


def _report_lost(ti: Any, facts: Facts, env: Environment) -> None:
    """From the DAG processor, which may be asked twice for one try, and for one that the task had reported itself.

    It can write no XCom, and must not wait for a warehouse.
    """
    lost = Variable.get(LOST, default=[], deserialize_json=True)
    note = _pulled(ti, KEY, ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    if str(ti.id) in lost or note.get("is_mailed"):
        return
    mail.send(collect(facts, env, None), env, f"failed {ti.id}")
    Variable.set(LOST, [*lost, str(ti.id)][-_KEPT_TRIES:], serialize_json=True)


def read_note(ti: Any, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
    """What a failed task left: `error`, `databricks_url`, `try_number`. Empty where it could leave nothing."""
    note = _pulled(ti, KEY, dag_id, run_id, task_id, -1)
    return {name: value for name, value in note.items() if name != "is_mailed"}


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
    """The table or feed, and the ingestion date; of a task that has none, its name and None."""
    ti = context["ti"]
    layer, _, name = ti.task_id.partition(".")
    try:
        if ti.dag_id == "retailflow_replay" and name:
            item = planned(ti)
            return (f"{layer}.{item['entity']}" if name == "entity" else ti.task_id), date.fromisoformat(item["date"])
        if ti.dag_id == "retailflow_daily":
            subject = ti.task_id.replace("raw.ingest_", "raw.")
            return subject, date.fromisoformat(ingestion_date(context["dag_run"], context["params"]))
    except AirflowFailException:  # a form that makes no sense is what has failed
        pass
    return f"{ti.dag_id} {ti.task_id}", None


def _pulled(ti: Any, key: str, dag_id: str, run_id: str, task_id: str, map_index: int | None) -> dict[str, Any]:
    where = {"dag_id": dag_id, "run_id": run_id, "task_ids": task_id, "map_indexes": map_index}
    return ti.xcom_pull(key=key, **where) or {}
