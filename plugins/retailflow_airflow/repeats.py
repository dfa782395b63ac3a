"""DAGs that run all day send one mail when they start to fail, and one when they work again.

Otherwise one cause, for example an outage of the platform, would be mailed each hour, in a new conversation each time.
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
    """Count this failure, and return whether a mail has reported the task and its DAG has not recovered since."""
    if dag_id not in DAGS:
        return False
    failing = Variable.get(_key(dag_id), default={}, deserialize_json=True)
    known = failing.get(task_id)
    failing[task_id] = {"since": known["since"], "count": known["count"] + 1} if known else _first()
    Variable.set(_key(dag_id), failing, serialize_json=True)
    return known is not None


def tell_recovery(context: Mapping[str, Any]) -> None:
    """Mail that the DAG works again, as the `on_success_callback` of these DAGs. The DAG processor calls it."""
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
