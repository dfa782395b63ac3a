"""What every task of every DAG must have."""

from datetime import timedelta

import pytest
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, BaseOperator
from airflow.sdk.bases.sensor import BaseSensorOperator
from cosmos.constants import InvocationMode
from cosmos.operators.local import DbtBuildLocalOperator

KEPT = {
    "owner": "online-sales",
    "retries": 1,
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=1),
    "execution_timeout": timedelta(minutes=1),
    "doc_md": "**Safe to clear** **Where to look**",
}
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
    }
    if isinstance(task, BaseSensorOperator):
        rules["not deferrable"] = task.deferrable
        rules["waits longer than 20 hours"] = task.timeout <= timedelta(hours=20).total_seconds()
    elif type(task) is DatabricksSubmitRunOperator:
        rules["not deferrable"] = task.deferrable
        rules["no timeout_seconds in its payload"] = task.json.get("timeout_seconds", 0) > 0
        rules["no token of the try in its payload"] = "idempotency_token(ti)" in task.json.get("idempotency_token", "")
    elif isinstance(task, EmptyOperator):
        rules["starts a process for nothing"] = any(isinstance(one, Asset) for one in task.outlets)
    elif isinstance(task, TriggerDagRunOperator):
        rules["waits for the run that it triggers"] = not task.wait_for_completion
    elif isinstance(task, DbtBuildLocalOperator):
        rules["runs dbt in Airflow's environment"] = task.invocation_mode is InvocationMode.SUBPROCESS
    elif isinstance(task, PythonOperator):
        rules["runs a function of its DAG file"] = task.python_callable.__module__.startswith("retailflow_airflow.")
    else:
        rules["of a kind that the policy does not know"] = False
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
        PythonOperator(task_id="here", python_callable=lambda: None, **KEPT)
        TriggerDagRunOperator(task_id="trigger", trigger_dag_id="x", wait_for_completion=True, **KEPT)
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
        "careless.here: runs a function of its DAG file",
        "careless.trigger: waits for the run that it triggers",
    ]


def test_only_settings_differ_between_environments(dags_in):
    def graph(dags):
        tasks = [task for dag in dags.values() for task in dag.tasks]
        return {(task.dag_id, task.task_id): (type(task), task.upstream_task_ids) for task in tasks}

    graphs = [graph(dags_in(name)) for name in ENVIRONMENTS]
    assert all(found == graphs[0] for found in graphs)
