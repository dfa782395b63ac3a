"""What the templates of our tasks call: the date a run processes, and the token of a submit."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from retailflow.dates import date_of, ingestion_date_of

MARK = "retailflow_airflow"  # the Variable with the word that `airflow_mark` gives


def ingestion_date(dag_run: Any, params: Mapping[str, Any]) -> str:
    """Return the ingestion date that a run processes, as YYYY-MM-DD: see `retailflow.dates`.

    Raises:
        AirflowFailException: the form's value is not such a date, or contradicts the logical date, or the day is not
            over (the trigger form offers the present as logical date, and half a day must not be declared complete);
            the task fails without a retry.
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
    """A past logical date is that of the clock, of a backfill, or of a person who chose it; the present is no choice.

    `run_after` is the moment of the trigger, and stays so when a task is cleared. There may be no run where the DAG
    processor speaks for a lost worker.
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
    """Return the date in that field of a form. Raises: AirflowFailException saying the form a date has."""
    try:
        return date_of(text)
    except ValueError as error:
        raise AirflowFailException(f"{name} {error}: trigger again with one like 2026-01-15.") from None


def idempotency_token(ti: Any) -> str:
    """A token for runs/submit, 64 hexadecimal digits: the same when one try repeats its request, and never again.

    A token without the try makes Databricks answer a retry with the old, failed run. The task instance's id is new for
    each try, also when a task is cleared or `airflow dags test` uses a run id again.
    """
    identity = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number, ti.id)
    return hashlib.sha256("\0".join(map(str, identity)).encode()).hexdigest()


def airflow_mark() -> str:
    """A word that tells this Airflow's Databricks runs from those of another one with the same names.

    Scheduled runs have the same ids in each, such as in the two of a blue-green upgrade. It is drawn once; who copies a
    metadata database while its Airflow goes on deletes the Variable in the copy.
    """
    if (mark := Variable.get(MARK, default=None)) is None:
        Variable.set(MARK, mark := secrets.token_hex(4), description="Names this Airflow's runs in Databricks.")
    return mark


MACROS = {"ingestion_date": ingestion_date, "idempotency_token": idempotency_token, "airflow_mark": airflow_mark}
