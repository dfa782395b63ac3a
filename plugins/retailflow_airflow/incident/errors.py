"""The first line of an error that a person should read, without what must not be in a mail, and its runbook."""

import re

from retailflow_airflow.incident.model import Facts, Kind

_LONGEST = 300
_DATABRICKS = "Job run failed with terminal state"
# The operator says what failed as the text of a list of dicts; the message stands in either kind of quotes.
_TASK_ERROR = re.compile(r"'error': (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")")
_STATE_MESSAGE = re.compile(r"'state_message': (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")")
# Spark puts values of rows between quotes behind its condition: [CAST_INVALID_INPUT] The value 'x' …
_SPARK_CONDITION = re.compile(r"\[[A-Z0-9_]+(\.[A-Z0-9_]+)*\]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_KEPT_FROM_MAIL = "…"

# Searched for in this order in the error; the jobs' own sentences and types, then what Databricks says.
_KINDS = (
    (Kind.WRONG_NUMBERS, r"BalanceError|does not balance"),
    (Kind.QUALITY_GATE, r"AuditError|Held back"),
    (Kind.DRIFT, r"which the contract requires|renamed or removed|the contract requires it as"),
    (Kind.BAD_BATCH, r"BadFile|its manifest says|Manifest"),
    (Kind.LATE_FEED, r"nothing was delivered|SourceError|SensorTimeout|TaskDeferralTimeout|Trigger timeout"),
    (Kind.DATABRICKS_FAILURE, r"Databricks|terminal state|ConnectionError|HTTPError|SparkConnect|TIMEDOUT|CANCELED"),
)


def first_line(error: str) -> str:
    """The job's own first error line where there is one, else the exception's; at most 300 characters.

    Values of rows and e-mail addresses are taken out: a mail goes further than the table that they are from.
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
    """By what the error says; where it says nothing, by the task that is waited for."""
    if facts.days:
        return Kind.MISSING_DAYS
    for kind, pattern in _KINDS:
        if re.search(pattern, facts.error):
            return kind
    task_id = facts.task_id or ""
    if task_id.startswith("raw."):
        return Kind.LATE_FEED
    return Kind.DATABRICKS_FAILURE if facts.state == "failed" else Kind.STUCK_RUN
