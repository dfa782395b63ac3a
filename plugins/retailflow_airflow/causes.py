"""Remembers causes that make many runs fail, for example an outage of the platform. Each cause is mailed once."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Variable

from retailflow_airflow.incident.model import Kind

KEY = "retailflow_causes"  # the Variable with the first and the last time that each kind was seen
_OVER = timedelta(hours=1)  # during an outage, at least one of our DAGs asks Databricks within an hour


def seen(kind: Kind) -> tuple[str, bool]:
    """Remember that a task has just failed with this kind of failure.

    If two tasks fail at the same moment, both may be the first: a Variable has no lock.

    Returns: the name of the cause, and whether another task has already reported it.
    """
    now, known = datetime.now(UTC), Variable.get(KEY, default={}, deserialize_json=True)
    before = known.get(kind)
    is_known = before is not None and now - datetime.fromisoformat(before["last"]) < _OVER
    since = before["since"] if is_known else now.isoformat(timespec="seconds")
    Variable.set(KEY, {**known, kind: {"since": since, "last": now.isoformat()}}, serialize_json=True)
    return f"{kind} since {since}", is_known
