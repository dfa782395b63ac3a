"""Finds the first line of an error that a person should read, and its kind. Removes text that must not be mailed."""

import re

from retailflow_airflow.incident.model import Facts, Kind

_LONGEST = 300
_DATABRICKS = "Job run failed with terminal state"
# The operator reports failures as the text of a list of dicts; the message is in either kind of quotes.
_TASK_ERROR = re.compile(r"'error': (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")")
_STATE_MESSAGE = re.compile(r"'state_message': (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")")
# Spark quotes values of rows after its error condition: [CAST_INVALID_INPUT] The value 'x' …
_SPARK_CONDITION = re.compile(r"\[[A-Z0-9_]+(\.[A-Z0-9_]+)*\]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_KEPT_FROM_MAIL = "…"

# These patterns are searched in this order: first the messages and types of our jobs, then those of Databricks.
_KINDS = (
    (Kind.WRONG_FORM, r"trigger again|start the run again with one of the two"),
    (Kind.WRONG_NUMBERS, r"BalanceError|does not balance"),
    (Kind.DATA_TEST, r"DataTestError"),
    (Kind.QUALITY_GATE, r"AuditError|Blocked, readers keep"),
    (Kind.DRIFT, r"which the contract requires|renamed or removed|the contract requires it as"),
    (Kind.BAD_BATCH, r"BadFile|its manifest says|Manifest"),
    (Kind.SOURCE_API, r"SourceError"),
    (Kind.LATE_FEED, r"nothing was delivered|SensorTimeout|TaskDeferralTimeout|Trigger timeout"),
    (
        Kind.REFUSED,
        r"AADSTS\d|ClientAuthenticationError|AuthenticationFailed|Authorization(Failure|PermissionMismatch)|"
        r"PERMISSION_DENIED|invalid_client|Unauthorized|Forbidden|getaddrinfo|name resolution|"
        r"Name or service not known|Cannot connect to host|ServiceRequestError",
    ),
    (
        Kind.PLATFORM,
        r"API requests to Databricks failed|ConnectionError|ConnectTimeout|ReadTimeout|TEMPORARILY_UNAVAILABLE|"
        r"CLOUD_PROVIDER|RESOURCE_EXHAUSTED|QUOTA_EXCEEDED|'INTERNAL_ERROR'",
    ),
    (Kind.DATABRICKS_FAILURE, r"Databricks|terminal state|HTTPError|SparkConnect|TIMEDOUT|CANCELED"),
)


_OF_DAGS = {"retailflow_marts": Kind.DBT_MODEL, "retailflow_erase": Kind.ERASURE}


def first_line(error: str) -> str:
    """Return the job's own first error line if there is one, else the exception's; at most 300 characters.

    Values of rows and e-mail addresses are removed: more people can read a mail than the table.
    """
    if _DATABRICKS in error:
        found = _TASK_ERROR.search(error) or _STATE_MESSAGE.search(error)
        if found:
            error = (found[1] or found[2] or "").replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"')
    line = next((line.strip() for line in error.splitlines() if line.strip()), "")
    if condition := _SPARK_CONDITION.search(line):
        line = line[: condition.end()] + _QUOTED.sub(f"'{_KEPT_FROM_MAIL}'", line[condition.end() :])
    line = _ADDRESS.sub(_KEPT_FROM_MAIL, line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def kind_of(facts: Facts) -> Kind:
    """Return the kind of a failure by its error text, or else by the state of the task that delays the table."""
    if facts.days:
        return Kind.MISSING_DAYS
    said = next((kind for kind, pattern in _KINDS if re.search(pattern, facts.error)), None)
    if facts.dag_id in _OF_DAGS and said in (None, Kind.DATABRICKS_FAILURE):
        return _OF_DAGS[facts.dag_id]
    if said:
        return said
    if facts.state == "failed":
        return Kind.DATABRICKS_FAILURE if facts.error else Kind.LOST_WORKER
    is_sensor = re.match(r"raw\.(?!ingest_)", facts.task_id or "")
    return Kind.LATE_FEED if is_sensor else Kind.STUCK_RUN
