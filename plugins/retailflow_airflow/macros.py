"""What the templates of our tasks call: the date a run processes, and the token of a submit."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException


def ingestion_date(dag_run: Any, params: Mapping[str, Any]) -> str:
    """The ingestion date that a run processes, as YYYY-MM-DD.

    The form's `ingestion_date`; else the logical date; else, for a run triggered without one, the last day that was
    over in UTC when it was triggered. Never `ds`, which does not exist without a logical date.

    Raises:
        AirflowFailException: the form's value is not such a date; the task fails at once, without a retry.
    """
    if chosen := params.get("ingestion_date"):
        return _checked(chosen)
    if dag_run.logical_date:
        return dag_run.logical_date.astimezone(UTC).date().isoformat()
    return (dag_run.run_after.astimezone(UTC).date() - timedelta(days=1)).isoformat()


def _checked(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except (TypeError, ValueError):
        pass
    raise AirflowFailException(
        f"ingestion_date {text!r} is not a date of the form YYYY-MM-DD: trigger the run again with one like 2026-01-15."
    )


def idempotency_token(ti: Any) -> str:
    """A token for runs/submit, 64 hexadecimal digits: the same when one try repeats its request, and never again.

    A token without the try makes Databricks answer a retry with the old, failed run. The task instance's id is new for
    each try, also when a task is cleared or `airflow dags test` uses a run id again.
    """
    identity = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number, ti.id)
    return hashlib.sha256("\0".join(map(str, identity)).encode()).hexdigest()


MACROS = {"ingestion_date": ingestion_date, "idempotency_token": idempotency_token}
