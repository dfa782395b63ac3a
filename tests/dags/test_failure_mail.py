"""A failing task, run by Airflow itself with a real SMTP server; Databricks answers at the provider's hook."""

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook, RunState

from retailflow_airflow import failure
from retailflow_local.mail_sink.mailbox import body

DAY = "2026-01-15"
LOGS = "".join(f"line {number}\n" for number in range(205))
URL = "http://127.0.0.1/run/11"


@pytest.fixture
def fail(dags_in, database, smtp, monkeypatch):
    """`fail("retailflow_daily", "silver.orders", error)`: runs that task alone; returns the mails that it sent."""
    states = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Task failed."}
    run = {"state": states, "run_page_url": URL, "job_id": 1}
    run["tasks"] = [{"task_key": "one", "run_id": 12, "attempt_number": 0, "state": states}]
    monkeypatch.setattr(DatabricksHook, "submit_run", lambda self, body: 11)
    monkeypatch.setattr(DatabricksHook, "get_job_id", lambda self, run_id: 1)
    monkeypatch.setattr(DatabricksHook, "get_run_page_url", lambda self, run_id: URL)
    monkeypatch.setattr(DatabricksHook, "get_run_state", lambda self, run_id: RunState(**states))
    monkeypatch.setattr(DatabricksHook, "get_run", lambda self, run_id: run)

    def alone(dag_id, task_id, error, retries=0, **form):
        monkeypatch.setattr(DatabricksHook, "get_run_output", lambda self, run_id: {"error": error, "logs": LOGS})
        seen = len(smtp.numbers())
        dag = dags_in("local")[dag_id].partial_subset(task_id, include_upstream=False)
        task = dag.get_task(task_id)
        task.retries, task.retry_delay = retries, task.retry_delay / 10
        assert dag.test(run_conf=form).state == "failed"
        return smtp.messages()[seen:]

    return alone


def test_a_failed_task_sends_one_mail_with_its_card(fail):
    (sent,) = fail("retailflow_daily", "silver.orders", "BalanceError: orders does not balance", ingestion_date=DAY)
    assert sent["Subject"] == f"[retailflow local] FAILED silver.orders {DAY}"
    text = body(sent, "plain")
    assert "BalanceError: orders does not balance" in text
    assert "Owner        online-sales" in text
    assert "Task         retailflow_daily / silver.orders, failed, try 1" in text
    assert "runbooks/wrong_numbers.md" in text
    assert f"Databricks   {URL}" in text
    assert "/dags/retailflow_daily/runs/manual__" in text
    assert "The SQL warehouse did not answer" in text
    assert "BalanceError: orders does not balance" in body(sent, "html")


def test_only_the_last_try_sends_one_and_each_shows_the_end_of_the_remote_log(fail, caplog):
    with caplog.at_level("INFO", "retailflow_airflow.remote_log"):
        (sent,) = fail("retailflow_daily", "silver.orders", "ValueError: x", retries=1, ingestion_date=DAY)
    assert "failed, try 2" in body(sent, "plain")
    shown = [record.getMessage() for record in caplog.records if record.name == "retailflow_airflow.remote_log"]
    assert shown == 2 * ["The last 200 lines of Databricks run 12:", *(f"line {number}" for number in range(5, 205))]


def test_a_task_without_a_date_sends_one_too(fail):
    (sent,) = fail("retailflow_maintenance", "maintain.gold", "MaintenanceError: gold.x")
    assert sent["Subject"] == "[retailflow local] FAILED retailflow_maintenance maintain.gold"
    assert "MaintenanceError: gold.x" in body(sent, "plain")


def test_a_form_that_makes_no_sense_sends_one_too(fail):
    (sent,) = fail("retailflow_daily", "silver.orders", "", ingestion_date="2999-01-01")
    assert sent["Subject"] == "[retailflow local] FAILED retailflow_daily silver.orders"
    assert "2999-01-01 is not over in UTC: trigger again with an earlier ingestion_date." in body(sent, "plain")


class TaskInstance:
    """As the DAG processor makes it of a task whose worker was lost."""

    dag_id, run_id, task_id, map_index, try_number = "retailflow_daily", "run", "silver.orders", -1, 2
    id = "01a2102c-4474-7e6d-ac97-74b65e5d2eca"

    def __init__(self, note):
        self._note = note

    def xcom_pull(self, *, key, **where):
        return self._note if key == "incident" else None


def test_where_a_worker_was_lost_the_dag_processor_sends_it_once_and_not_if_the_worker_had(daily, smtp, monkeypatch):
    variables = {}
    monkeypatch.setattr(failure.Variable, "get", lambda key, default, **_: variables.get(key, default))
    monkeypatch.setattr(failure.Variable, "set", lambda key, value, **_: variables.update({key: value}))
    context = {"task": daily.get_task("silver.orders"), "dag_run": None, "params": {"ingestion_date": DAY}}
    seen = len(smtp.numbers())
    failure.report({**context, "ti": TaskInstance({"is_mailed": True})})
    assert len(smtp.numbers()) == seen
    failure.report({**context, "ti": TaskInstance(None)})
    failure.report({**context, "ti": TaskInstance(None)})
    (sent,) = smtp.messages()[seen:]
    assert "Airflow gave no error: the worker was lost" in body(sent, "plain")
    assert sent["Message-ID"].startswith("<")
