"""The trigger form of the erasure DAG, and its plan."""

import logging
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from retailflow.environments import load_environment
from retailflow_airflow.replay import MOST_ITEMS, items, read_found

ASKED = {
    "--customers": "{{ asked(dag_run, params.customers) | join(',') or 'none' }}",
    "--browsers": "{{ asked(dag_run, params.browsers) | join(',') or 'none' }}",
    "--confirm": "{{ asked(dag_run, params.confirm) or 'none' }}",
}
_HOURS = 24
HOURS = f"{{{{ asked(dag_run, params.settled_hours, {_HOURS}) }}}}"
_log = logging.getLogger(__name__)


def asked(dag_run: Any, value: Any, usual: Any = None) -> Any:
    """Return the value of a field of the form. Only users in `privacy_users` of the environment may fill it in.

    Raises:
        AirflowFailException: another or an unknown user filled it in; the task fails without a retry.
    """
    allowed = load_environment().privacy_users
    if value in (None, [], usual) or allowed is None or dag_run.triggering_user_name in allowed:
        return value
    raise AirflowFailException(
        f"{dag_run.triggering_user_name or 'A user whom Airflow cannot name'} may not have a person erased: "
        "a user in privacy_users of the environment has to trigger again."
    )


MACROS = {"asked": asked}


def trigger_form() -> dict[str, Param]:
    """Return the fields of the trigger form; a trigger's conf has the same keys."""
    sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    asked = "SHA-256 of the customer id, one per line: printf %s CUSTOMER_ID | sha256sum. Empty: earlier requests."
    also = "Digests, as find printed them, of browsers that others used too and whose events must be erased as well."
    code = "The code that find printed beside the numbers of records. Empty: only look."
    settled = "Files replaced fewer hours ago stay: active runs may need them. 0 only while nothing else runs."
    confirm = {"type": ["null", "string"], "pattern": "^[0-9a-f]{12}$"}
    return {
        "customers": Param([], type="array", items=sha256, uniqueItems=True, title="Customers", description=asked),
        "browsers": Param([], type="array", items=sha256, uniqueItems=True, title="Browsers", description=also),
        "confirm": Param(None, **confirm, title="Confirmation", description=code),
        "settled_hours": Param(_HOURS, type="integer", minimum=0, maximum=9999, title="Hours", description=settled),
    }


def read_plan(databricks_run_id: int) -> list[dict[str, str]]:
    """Logs where the customers to erase were found, and returns each feed and date to rebuild, sorted by date.

    The result is empty on most nights, and until somebody confirms the counts of `find`.

    - **Reads** the plan that `find` left in RAW; **writes** nothing.
    - **Safe to clear**: always, with `find`.
    - **Where to look**: this task's log.
    """
    found = items(read_found(databricks_run_id))
    if len(found) > MOST_ITEMS:
        _log.info("The first %d of %d; trigger again for the others, or wait for the night.", MOST_ITEMS, len(found))
    return found[:MOST_ITEMS]
