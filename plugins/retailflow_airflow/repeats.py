"""DAGs that run all day tell once that they fail, and once that they work again.

Each run of theirs is another conversation, and one cause, such as a platform that is down, would be mailed each hour.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Variable

from retailflow.environments import load_environment
from retailflow_airflow import mail
from retailflow_airflow.incident import Event, Facts, collect

DAGS = ("retailflow_job_monitor", "retailflow_late_batches", "retailflow_reaper", "retailflow_watch")


def is_known(dag_id: str, task_id: str) -> bool:
    """Whether it was mailed that the task fails, and it has not succeeded since. Counts this time."""
    if dag_id not in DAGS:
        return False
    failing = Variable.get(_key(dag_id), default={}, deserialize_json=True)
    known = failing.get(task_id)
    failing[task_id] = {"since": known["since"], "count": known["count"] + 1} if known else _first()
    Variable.set(_key(dag_id), failing, serialize_json=True)
    return known is not None


def tell_recovery(context: Mapping[str, Any]) -> None:
    """The `on_success_callback` of these DAGs, which the DAG processor calls."""
    dag_id, env = context["dag"].dag_id, load_environment()
    failing = Variable.get(_key(dag_id), default={}, deserialize_json=True)
    if not failing:
        return
    tasks = ", ".join(sorted(failing))
    count, since = max(one["count"] for one in failing.values()), min(one["since"] for one in failing.values())
    facts = Facts(Event.RECOVERED, f"{dag_id} {tasks} after {count} failed runs since {since} UTC", None, dag_id)
    mail.send(collect(facts, env, None), env, f"recovered {dag_id} {since}")
    Variable.delete(_key(dag_id))


def _first() -> dict[str, Any]:
    return {"since": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "count": 1}


def _key(dag_id: str) -> str:
    return f"retailflow_failing/{dag_id}"
