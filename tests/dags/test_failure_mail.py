"""A failing task, run by Airflow itself with a real SMTP server. The provider's hook replaces Databricks."""

import json
import re
import socket
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.configuration import conf
from airflow.providers.databricks.hooks.databricks import DatabricksHook, RunState
from airflow.sdk.exceptions import AirflowFailException

from retailflow_airflow import causes, failure, remote_log, repeats, unmailed
from retailflow_local import airflow
from retailflow_local.mail_sink.mailbox import body
from retailflow_local.state import Secrets

ROOT = Path(__file__).parents[2]
DAY = "2026-01-15"
LOGS = "".join(f"line {number}\n" for number in range(205))
URL = "http://127.0.0.1/run/11"


@pytest.fixture
def fail(dags_in, database, smtp, monkeypatch):
    """`fail("retailflow_daily", "silver.orders", error)`: runs that task alone; returns the mails that it sent."""
    states = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Task failed."}
    run = {"state": states, "run_page_url": URL, "job_id": 1}
    attempts = ((12, 1), (10, 0))  # of one task, which Databricks repeated
    run["tasks"] = [
        {"task_key": "one", "run_id": run_id, "attempt_number": number, "state": states} for run_id, number in attempts
    ]
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


@pytest.fixture
def silent_warehouse(monkeypatch):
    """Databricks accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "password": "x"}
        connection["port"] = server.getsockname()[1]
        monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection))
        yield


def test_a_warehouse_that_does_not_answer_stops_no_mail(fail, silent_warehouse, monkeypatch):
    monkeypatch.setattr(failure, "CARD_SECONDS", 1)
    (sent,) = fail("retailflow_daily", "silver.orders", "BalanceError: orders does not balance", ingestion_date=DAY)
    assert "The SQL warehouse did not answer" in body(sent, "plain")
    assert "unknown: no answer within" in body(sent, "plain")


def test_the_waits_of_a_failed_task_fit_into_airflow_s_overtime():
    """After the overtime Airflow ends the process. The card, three tries of the mail server and the log must fit."""
    tries, smtp_seconds, waits = 3, 30, 2 + 4
    needed = failure.CARD_SECONDS + tries * smtp_seconds + waits + remote_log.PATIENCE_SECONDS
    settings = airflow.environment(Path(), Path(), defaultdict(int), Secrets.generate(), "sqlite")
    for overtime in (settings["AIRFLOW__CORE__TASK_SUCCESS_OVERTIME"], _of_the_image()):
        assert needed < int(overtime) < conf.getint("scheduler", "task_instance_heartbeat_timeout")


def _of_the_image() -> str:
    return re.search(r"AIRFLOW__CORE__TASK_SUCCESS_OVERTIME=(\d+)", (ROOT / "Dockerfile").read_text())[1]


class TaskInstance:
    """A task instance as the DAG processor makes it after the worker was lost."""

    dag_id, run_id, task_id, map_index, try_number = "retailflow_daily", "run", "silver.orders", -1, 2
    id = "01a2102c-4474-7e6d-ac97-74b65e5d2eca"

    def __init__(self, note):
        self._note = note

    def xcom_pull(self, *, key, **where):
        return self._note if key == "incident" else None


def test_the_dag_processor_mails_for_a_lost_worker_once_and_not_if_the_worker_had_mailed(daily, smtp, monkeypatch):
    variables = {}
    monkeypatch.setattr(unmailed.Variable, "get", lambda key, default, **_: variables.get(key, default))
    monkeypatch.setattr(unmailed.Variable, "set", lambda key, value, **_: variables.update({key: value}))
    context = {"task": daily.get_task("silver.orders"), "dag_run": None, "params": {"ingestion_date": DAY}}
    seen = len(smtp.numbers())
    failure.report({**context, "ti": TaskInstance({"is_mailed": True})})
    assert len(smtp.numbers()) == seen
    failure.report({**context, "ti": TaskInstance(None)})
    failure.report({**context, "ti": TaskInstance(None)})
    (sent,) = smtp.messages()[seen:]
    assert "Airflow gave no error: the worker was lost" in body(sent, "plain")
    assert sent["Message-ID"].startswith("<")


# Storms


@pytest.fixture
def variables(monkeypatch):
    kept: dict = {}
    fake = SimpleNamespace(
        get=lambda key, default=None, **_: kept.get(key, default),
        set=lambda key, value, **_: kept.update({key: value}),
        delete=kept.pop,
    )
    for module in (causes, unmailed, repeats):
        monkeypatch.setattr(module, "Variable", fake)
    return kept


@pytest.fixture
def reported(dags_in, smtp, variables):
    """`reported("retailflow_daily", "silver.orders", error)`: reports a failed task; returns the new subjects."""
    seen = len(smtp.numbers())

    def alone(dag_id, task_id, error, index=-1, run_id="run"):
        nonlocal seen
        task = dags_in("local")[dag_id].get_task(task_id)
        ti = SimpleNamespace(dag_id=dag_id, task_id=task_id, run_id=run_id, map_index=index, try_number=1, id=uuid4())
        ti.xcom_pull = lambda **_: None
        ti.xcom_push = lambda key, value: left.append(value)
        failure.report({"task": task, "ti": ti, "dag_run": None, "params": {"ingestion_date": DAY}, "exception": error})
        new = smtp.messages()[seen:]
        seen += len(new)
        return [message["Subject"].removeprefix("[retailflow local] ") for message in new]

    left: list = []
    alone.left, alone.daily = left, dags_in("local")["retailflow_daily"]
    return alone


def test_failures_of_a_run_in_an_outage_are_reported_by_the_first_and_then_together(reported, variables):
    outage = ConnectionError("Databricks does not answer")
    assert reported("retailflow_daily", "bronze.orders", outage) == [f"FAILED bronze.orders {DAY}"]
    assert [reported("retailflow_daily", f"bronze.{name}", outage) for name in ("stores", "products")] == [[], []]
    assert [note.get("is_cause_mailed") for note in reported.left[-2:]] == [True, True]
    (run,) = [value for key, value in variables.items() if key != causes.KEY]
    assert run["is_open"], "the watch looks at the run"
    assert reported("retailflow_daily", "silver.orders", ValueError("x")) == [f"FAILED silver.orders {DAY}"]


def test_an_outage_is_reported_by_one_run_whatever_others_it_stops_and_again_when_it_comes_back(reported, monkeypatch):
    outage = ConnectionError("Databricks does not answer")
    assert reported("retailflow_daily", "bronze.orders", outage) == [f"FAILED bronze.orders {DAY}"]
    others = [("retailflow_maintenance", "maintain.gold"), ("retailflow_reaper", "reap"), ("retailflow_erase", "find")]
    assert [reported(*one, outage, run_id="other") for one in others] == [[], [], []]
    assert {note["cause"] for note in reported.left} == {reported.left[0]["cause"]}
    monkeypatch.setattr(causes, "_OVER", timedelta())
    assert reported("retailflow_erase", "find", outage, run_id="later") == ["FAILED retailflow_erase find"]


def test_only_one_failure_of_a_mapped_task_is_mailed_at_once(reported):
    mailed = [reported("retailflow_replay", "bronze.feed", ValueError("x"), index) for index in range(5)]
    assert mailed == [["FAILED retailflow_replay bronze.feed"], [], [], [], []]


def test_an_hourly_dag_reports_once_that_it_fails_and_once_that_it_works_again(reported, dags_in, smtp):
    hours = [reported("retailflow_reaper", "reap", ConnectionError("x"), run_id=f"run {hour}") for hour in range(3)]
    assert hours == [["FAILED retailflow_reaper reap"], [], []]
    for _ in range(2):
        repeats.tell_recovery({"dag": dags_in("local")["retailflow_reaper"]})
    (recovered,) = [m["Subject"] for m in smtp.messages() if "RECOVERED retailflow_reaper reap" in m["Subject"]]
    assert "after 3 failed runs since" in recovered


def test_a_wrong_form_is_reported_by_only_one_of_the_tasks_that_it_fails(reported):
    wrong = AirflowFailException("2999-01-01 is not over in UTC: trigger again with an earlier ingestion_date.")
    roots = [task.task_id for task in reported.daily.roots]
    assert len(roots) > 5
    assert sum(bool(reported("retailflow_daily", task_id, wrong)) for task_id in roots) == 1
