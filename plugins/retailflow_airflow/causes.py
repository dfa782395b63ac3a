"""A cause that many runs share, such as a platform that is down: it is mailed once, whatever it makes fail."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Variable

from retailflow_airflow.incident.model import Kind

KEY = "retailflow_causes"  # the Variable: since when each kind goes on, and when it was seen last
_OVER = timedelta(hours=1)  # as rarely as any of our DAGs asks Databricks while it is out


def seen(kind: Kind) -> tuple[str, bool]:
    """Remembers that a task has failed by it now.

    Of two that fail in the same moment both may be the first: a Variable knows no locks.

    Returns: the cause as a word of its own, and whether another task has told of it.
    """
    now, known = datetime.now(UTC), Variable.get(KEY, default={}, deserialize_json=True)
    before = known.get(kind)
    is_known = before is not None and now - datetime.fromisoformat(before["last"]) < _OVER
    since = before["since"] if is_known else now.isoformat(timespec="seconds")
    Variable.set(KEY, {**known, kind: {"since": since, "last": now.isoformat()}}, serialize_json=True)
    return f"{kind} since {since}", is_known
