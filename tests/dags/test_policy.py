"""What every task of every DAG must have."""

from datetime import timedelta

import pytest
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.bases.sensor import BaseSensorOperator

ENVIRONMENTS = ["dev", "local", "prod", "stg"]


def violations(dags: dict[str, DAG]) -> list[str]:
    if not any(dag.tasks for dag in dags.values()):
        return ["there is no DAG with a task"]
    found = []
    for dag in dags.values():
        if not dag.doc_md:
            found.append(f"{dag.dag_id}: no doc_md")
        for task in dag.tasks:
            found += [f"{dag.dag_id}.{task.task_id}: {what}" for what in _task_violations(task)]
    return found


def _task_violations(task: BaseOperator) -> list[str]:
    rules = {
        "no owner": task.owner not in ("", "airflow"),
        "no retries": task.retries >= 1,
        "no exponential backoff with a limit": task.retry_exponential_backoff == 2 and task.max_retry_delay is not None,
        "no execution timeout": task.execution_timeout is not None,
        "no doc_md that says what is safe to clear and where to look": task.doc_md is not None
        and "**Safe to clear**" in task.doc_md
        and "**Where to look**" in task.doc_md,
        "not deferrable": getattr(task, "deferrable", False),
    }
    if isinstance(task, BaseSensorOperator):
        rules["waits longer than 20 hours"] = task.timeout <= timedelta(hours=20).total_seconds()
    elif type(task) is DatabricksSubmitRunOperator:
        rules["no timeout_seconds in its payload"] = task.json.get("timeout_seconds", 0) > 0
        rules["no token of the try in its payload"] = "idempotency_token(ti)" in task.json.get("idempotency_token", "")
    else:
        rules["neither a sensor nor the provider's own DatabricksSubmitRunOperator"] = False
    return [what for what, kept in rules.items() if not kept]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_task_of_every_environment_keeps_the_policy(dags_in, environment):
    assert violations(dags_in(environment)) == []


def test_the_policy_fails_on_an_empty_bag():
    assert violations({}) == ["there is no DAG with a task"]


def test_the_policy_names_what_a_careless_task_lacks():
    with DAG("careless") as dag:
        DatabricksSubmitRunOperator(task_id="spark", json={})
        WasbBlobSensor(task_id="wait", container_name="raw", blob_name="_SUCCESS", retries=1)
    assert violations({"careless": dag}) == [
        "careless: no doc_md",
        "careless.spark: no owner",
        "careless.spark: no retries",
        "careless.spark: no exponential backoff with a limit",
        "careless.spark: no execution timeout",
        "careless.spark: no doc_md that says what is safe to clear and where to look",
        "careless.spark: not deferrable",
        "careless.spark: no timeout_seconds in its payload",
        "careless.spark: no token of the try in its payload",
        "careless.wait: no owner",
        "careless.wait: no exponential backoff with a limit",
        "careless.wait: no execution timeout",
        "careless.wait: no doc_md that says what is safe to clear and where to look",
        "careless.wait: not deferrable",
        "careless.wait: waits longer than 20 hours",
    ]


def test_only_settings_differ_between_environments(dags_in):
    graphs = [
        {task.task_id: (type(task), task.upstream_task_ids) for task in dags_in(name)["retailflow_daily"].tasks}
        for name in ENVIRONMENTS
    ]
    assert all(graph == graphs[0] for graph in graphs)
