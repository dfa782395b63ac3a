"""Macros for the templates of our tasks: the date that a run processes, and the token of a submit."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from retailflow.dates import date_of, ingestion_date_of

MARK = "retailflow_airflow"  # the Variable with the word that `airflow_mark` returns


def ingestion_date(dag_run: Any, params: Mapping[str, Any]) -> str:
    """Return the ingestion date that a run processes, as YYYY-MM-DD: see `retailflow.dates`.

    Raises:
        AirflowFailException: the form's value is not a date of this form, or contradicts the logical date, or the day
            is not over (the trigger form offers the present as logical date, and half a day must not be declared
            complete); the task fails without a retry.
    """
    if chosen := params.get("ingestion_date"):
        day = parsed_date("ingestion_date", chosen)
        _refuse_contradiction(day, dag_run)
    else:
        day = ingestion_date_of(None, dag_run.logical_date, dag_run.run_after)
    if day >= datetime.now(UTC).date():
        raise AirflowFailException(f"{day} is not over in UTC: trigger again with an earlier ingestion_date.")
    return day.isoformat()


def _refuse_contradiction(day: date, dag_run: Any) -> None:
    """Raise if the date of the form contradicts a logical date that somebody chose.

    A past logical date comes from the schedule, a backfill, or a person who chose it. The present is the form's
    default, so nobody chose it. `run_after` is the moment of the trigger; clearing a task does not change it. There is
    no run if the DAG processor reports a lost worker.
    """
    if dag_run is None or dag_run.logical_date is None:
        return
    logical, triggered = (moment.astimezone(UTC).date() for moment in (dag_run.logical_date, dag_run.run_after))
    if logical < triggered and day != logical:
        raise AirflowFailException(
            f"ingestion_date {day} contradicts the logical date {logical}: start the run again with one of the two; a "
            "backfill with --reprocess-behavior failed --dag-run-conf '{}'."
        )


def parsed_date(name: str, text: str) -> date:
    """Return the date in the field `name` of a form. Raises: AirflowFailException that says how to write a date."""
    try:
        return date_of(text)
    except ValueError as error:
        raise AirflowFailException(f"{name} {error}: trigger again with one like 2026-01-15.") from None


def idempotency_token(ti: Any) -> str:
    """Return a token for runs/submit, 64 hexadecimal digits: equal if one try repeats its request, else unique.

    If the token did not depend on the try, Databricks would answer a retry with the old, failed run. Each try has a new
    task instance id, also if a task is cleared or `airflow dags test` uses a run id again.
    """
    identity = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number, ti.id)
    return hashlib.sha256("\0".join(map(str, identity)).encode()).hexdigest()


def airflow_mark() -> str:
    """Return a word that distinguishes the Databricks runs of this Airflow from those of another one.

    Scheduled runs have the same ids in two Airflows, for example during a blue-green upgrade. The word is generated
    once. If you copy a metadata database while its Airflow keeps running, delete the Variable in the copy.
    """
    if (mark := Variable.get(MARK, default=None)) is None:
        Variable.set(MARK, mark := secrets.token_hex(4), description="Names this Airflow's runs in Databricks.")
    return mark


MACROS = {"ingestion_date": ingestion_date, "idempotency_token": idempotency_token, "airflow_mark": airflow_mark}
