"""The body that is really sent to runs/submit, checked against databricks-sdk's own classes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from databricks.sdk.service import jobs

from retailflow.compute import NewCluster, Pool
from retailflow.environments import load_environment
from retailflow_airflow import macros
from retailflow_airflow.macros import idempotency_token
from retailflow_airflow.submit import payload

GOLDEN = Path(__file__).parent / "golden" / "dev_bronze_orders.json"


def try_of(task_id="bronze.orders", **changed):
    """A task instance as templates see it."""
    known = {
        "dag_id": "retailflow_daily",
        "run_id": "scheduled__2026-01-16T02:00:00+00:00",
        "task_id": task_id,
        "map_index": -1,
        "try_number": 1,
        "id": "019bc0de-0000-7000-8000-000000000001",
    }
    return SimpleNamespace(**known | changed)


def context(ti):
    dag_run = SimpleNamespace(
        logical_date=datetime(2026, 1, 15, 2, tzinfo=UTC), run_after=datetime(2026, 1, 16, 2, tzinfo=UTC)
    )
    return {"ti": ti, "dag_run": dag_run, "params": {"ingestion_date": None}}


@pytest.fixture
def submitted(dags_in, monkeypatch):
    """`submitted("dev", "bronze.orders")`: the body that the operator sends. The hook answers with a success."""
    bodies = []
    monkeypatch.setattr(macros, "Variable", SimpleNamespace(get=lambda *_, **__: "5e8f02a1"))
    run = {"run_id": 1, "job_id": 1, "run_page_url": "http://127.0.0.1/run/1", "tasks": []}
    run["state"] = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
    monkeypatch.setattr(DatabricksHook, "submit_run", lambda self, body: bodies.append(body) or 1)
    monkeypatch.setattr(DatabricksHook, "get_job_id", lambda self, run_id: 1)
    monkeypatch.setattr(DatabricksHook, "get_run_page_url", lambda self, run_id: run["run_page_url"])
    monkeypatch.setattr(DatabricksHook, "get_run", lambda self, run_id: run)

    def submit(environment, task_id):
        task = dags_in(environment)["retailflow_daily"].get_task(task_id).prepare_for_execution()
        task.do_xcom_push = False
        task.render_template_fields(context(try_of(task_id)))
        task.execute(context(try_of(task_id)))
        return bodies.pop()

    return submit


def through_the_sdk(body: dict) -> dict:
    """Return what databricks-sdk sends for the same request in its own types."""
    sent = {}

    def do(method, path, body, **_):
        sent.update(body)
        return {"run_id": 1}

    typed = dict(body)
    typed["tasks"] = [jobs.SubmitTask.from_dict(task) for task in body["tasks"]]
    if "environments" in body:
        typed["environments"] = [jobs.JobEnvironment.from_dict(item) for item in body["environments"]]
    if "access_control_list" in body:
        listed = body["access_control_list"]
        typed["access_control_list"] = [jobs.JobAccessControlRequest.from_dict(one) for one in listed]
    if "performance_target" in body:
        typed["performance_target"] = jobs.PerformanceTarget(body["performance_target"])
    jobs.JobsAPI(SimpleNamespace(do=do, _cfg=SimpleNamespace(workspace_id=None))).submit(**typed)
    return sent


def test_the_bronze_orders_of_dev_are_submitted_as_the_golden_file_says(submitted):
    assert submitted("dev", "bronze.orders") == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("environment", ["dev", "local", "prod", "stg"])
@pytest.mark.parametrize("task_id", ["raw.ingest_orders", "silver.orders", "gold.daily_revenue_mart"])
def test_the_sdk_knows_every_field_we_send(submitted, environment, task_id):
    body = submitted(environment, task_id)
    assert through_the_sdk(body) == body


@pytest.mark.parametrize(
    "compute",
    [
        Pool(profile="pool", instance_pool_id="0101-120000-pool", workers=2),
        NewCluster(profile="cluster", node_type_id="Standard_D4ds_v5", workers=2),
    ],
    ids=["pool", "cluster"],
)
def test_the_sdk_knows_every_field_of_the_cluster_profiles(compute):
    body = payload(load_environment("prod").model_copy(update={"compute": compute}), "silver", "orders")
    assert through_the_sdk(body) == body


@pytest.mark.parametrize(
    ("dag", "task_id"),
    [
        ("retailflow_replay", "plan"),
        ("retailflow_maintenance", "maintain.ops"),
        ("retailflow_erase", "finish"),
        ("retailflow_job_monitor", "record"),
    ],
)
def test_the_sdk_knows_every_field_of_a_job_that_is_of_no_feed(dags_in, dag, task_id):
    body = dags_in("dev")[dag].get_task(task_id).json
    assert through_the_sdk(body) == body


def test_a_field_unknown_to_the_sdk_is_noticed():
    body = payload(load_environment("dev"), "silver", "orders")
    body["tasks"][0]["tags"] = {"a": "b"}
    assert through_the_sdk(body) != body


@pytest.mark.parametrize("environment", ["dev", "local", "prod", "stg"])
def test_the_engineers_on_call_may_open_every_run_and_nobody_runs_as_another(dags_in, environment):
    """A run has the rights of its submitter, the service principal of the jobs, which then owns what they create."""
    operators = [
        task
        for dag in dags_in(environment).values()
        for task in dag.tasks
        if isinstance(task, DatabricksSubmitRunOperator)
    ]
    group = load_environment(environment).on_call_group
    readers = [{"group_name": group, "permission_level": "CAN_VIEW"}] if group else None
    assert {task.dag_id for task in operators} >= {"retailflow_daily", "retailflow_erase", "retailflow_publish"}
    for task in operators:
        assert task.json.get("access_control_list") == readers, task.task_id
        assert "run_as" not in task.json
        assert task.databricks_conn_id == "databricks_default"


def test_a_gold_task_names_its_table():
    parameters = payload(load_environment("dev"), "gold", "dim_date")["tasks"][0]["spark_python_task"]["parameters"]
    assert parameters[:6] == ["--env", "dev", "--release", "0.1.0+gtest", "--table", "dim_date"]


def test_a_token_differs_by_run_task_map_index_try_and_task_instance():
    tries = [
        try_of(),
        try_of("bronze.payments"),
        try_of(run_id="manual__2026-01-16"),
        try_of(map_index=1),
        try_of(try_number=2),
        try_of(id="019bc0de-0000-7000-8000-000000000002"),
    ]
    tokens = [idempotency_token(ti) for ti in tries]
    assert len(set(tokens)) == 6
    assert {len(token) for token in tokens} == {64}


def test_a_try_that_repeats_its_request_sends_the_same_token():
    assert idempotency_token(try_of()) == idempotency_token(try_of())
