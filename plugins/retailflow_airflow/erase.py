"""What the erasure DAG asks of its form, and its plan."""

import logging

from airflow.sdk import Param

from retailflow_airflow.replay import MOST_ITEMS, items, read_found

CUSTOMERS = "{{ params.customers | join(',') or 'none' }}"
HOURS = "{{ params.settled_hours }}"
_log = logging.getLogger(__name__)


def form() -> dict[str, Param]:
    """The fields of the trigger form; a trigger's conf has the same keys."""
    sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    asked = "SHA-256 of the customer id, one a line: printf %s CUSTOMER_ID | sha256sum. Empty: those asked for before."
    settled = "Files replaced for less stay: runs under way may need them. 0 only while nothing else runs."
    return {
        "customers": Param([], type="array", items=sha256, uniqueItems=True, title="Customers", description=asked),
        "settled_hours": Param(24, type="integer", minimum=0, maximum=9999, title="Hours", description=settled),
    }


def read_plan(databricks_run_id: int) -> list[dict[str, str]]:
    """Says where those to be erased were found, and returns each entity and date, by date. Empty on most nights.

    - **Reads** the output of `find`, from Databricks; **writes** nothing.
    - **Safe to clear**: always, with `find`.
    - **Where to look**: this task's log.
    """
    found = items(read_found(databricks_run_id))
    if len(found) > MOST_ITEMS:
        _log.info("The first %d of %d; trigger again for the others, or wait for the night.", MOST_ITEMS, len(found))
    return found[:MOST_ITEMS]
