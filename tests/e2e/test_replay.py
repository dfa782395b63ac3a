"""A late batch is found and replayed, quarantine is retried, a customer is erased."""

import hashlib
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import pytest
from pipeline import put
from typer.testing import CliRunner

from retailflow.contracts import feeds, gold_tables
from retailflow_local import cli, quarantine
from retailflow_local.simulator.files import deliver_day
from retailflow_local.spark_client import session
from retailflow_local.spark_server import create_schemas

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(3600)]

DAILY, REPLAY, LATE = "retailflow_daily", "retailflow_replay", "retailflow_late_batches"
DAY = datetime.now(UTC).date() - timedelta(days=1)  # the hourly DAG looks at the last days that are over
RANGE = {"date_from": str(DAY), "date_to": str(DAY)}
ALL = [table.name for contract in (*feeds(), *gold_tables()) for table in contract.tables]
PAID = {
    "payment_event_id": "late-1", "payment_id": "P", "order_id": "late", "event_type": "captured", "amount": "12.34",
    "currency": "EUR", "occurred_at": f"{DAY}T10:00:00Z", "recorded_at": f"{DAY}T10:00:00Z",
}  # fmt: skip


def finished(stack, dag_id: str, run_id: str) -> dict[str, list[str]]:
    """Return the states of the run's tasks, once it has succeeded; for a mapped task, those of its indices in order."""
    deadline = monotonic() + 2400
    while (state := stack.airflow.dag_run(dag_id, run_id)["state"]) != "success":
        assert state != "failed" and monotonic() < deadline, stack.airflow.task_instances(dag_id, run_id)
        sleep(3)
    states: dict[str, list[str]] = {}
    for task in sorted(stack.airflow.task_instances(dag_id, run_id), key=lambda task: task["map_index"]):
        states.setdefault(task["task_id"], []).append(task["state"])
    return states


def run(stack, dag_id: str, **conf) -> dict[str, list[str]]:
    return finished(stack, dag_id, stack.airflow.trigger(dag_id, datetime.now(UTC), conf))


@pytest.fixture(scope="module", autouse=True)
def day(stack) -> None:
    """The day has been delivered and run once."""
    deliver_day(stack.workspace.raw_store(), stack.world, DAY)
    run(stack, DAILY, ingestion_date=str(DAY))


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(stack):
    before = stack.rows([*ALL, "ops.task_attempts"])
    run_id = stack.airflow.trigger(REPLAY, datetime.now(UTC), RANGE)
    states = finished(stack, REPLAY, run_id)
    assert {name for name, found in states.items() if found == ["success"]} == {"plan", "read_plan"}
    assert stack.rows([*ALL, "ops.task_attempts"]) == before
    log = stack.airflow.task_log(REPLAY, run_id, "read_plan", 1)
    assert f"payments: 1 dates, {DAY} to {DAY}, {len(before['bronze.payments'])} rows" in log


def test_an_hour_without_late_batches_starts_no_replay(stack):
    assert run(stack, LATE)["replay"] == ["skipped"]


def test_a_late_batch_is_replayed_and_the_tables_are_those_of_a_clean_run(stack):
    put(stack.workspace.raw_store(), "payments", DAY, PAID)
    assert run(stack, LATE)["replay"] == ["success"]
    (started,) = stack.airflow.dag_runs(REPLAY, "operator_triggered")
    states = finished(stack, REPLAY, started["dag_run_id"])
    assert (states["bronze.feed"], states["silver.feed"]) == (["success"], ["success"])
    assert (states["gold.payment_reconciliation"], states["gold.fact_sales"]) == (["success"], ["skipped"])
    replayed = stack.rows(ALL)
    assert "late-1" in str(replayed["silver.payments"])
    assert "12.34" in str(replayed["gold.payment_reconciliation"])

    with session(stack.workspace.spark_remote) as spark:
        for schema in ("bronze", "silver", "quarantine", "gold", "gold_build", "ops"):
            spark.sql(f"DROP SCHEMA spark_catalog.{schema} CASCADE")
    create_schemas(stack.workspace.spark_remote)
    run(stack, DAILY, ingestion_date=str(DAY))
    clean = stack.rows(ALL)
    assert [name for name in ALL if clean[name] != replayed[name]] == []


def test_upkeep_leaves_every_row_of_every_table(stack):
    before = stack.rows(ALL)
    assert set(map(tuple, run(stack, "retailflow_maintenance").values())) == {("success",)}
    assert stack.rows(ALL) == before


def test_quarantined_records_are_retried_by_the_command_and_invalid_ones_stay(stack, monkeypatch):
    put(stack.workspace.raw_store(), "payments", DAY, PAID | {"payment_event_id": "bad-1", "currency": "euro"})
    run(stack, REPLAY, **RANGE, dry_run=False, feeds=["payments"])
    before = stack.rows(ALL)
    quarantined = len(before["quarantine.payments"])
    assert "bad-1" in str(before["quarantine.payments"])
    monkeypatch.setattr(quarantine, "Workspace", lambda: stack.workspace)
    result = CliRunner().invoke(cli.app, ["quarantine", "retry", "--feed", "payments"])
    assert (result.exit_code, result.output.count(f"payments: 0 healed, {quarantined} still in quarantine")) == (0, 1)
    assert stack.rows(ALL) == before
    newest = stack.airflow.dag_runs(REPLAY, "manual")[-1]
    states = finished(stack, REPLAY, newest["dag_run_id"])
    assert (states["silver.feed"], states["gold.payment_reconciliation"]) == (["success"], ["success"])


def test_a_customer_is_erased_and_nobody_else(stack):
    with session(stack.workspace.spark_remote) as spark:
        buyers = "SELECT min(customer_id) FROM silver.orders JOIN silver.customers USING (customer_id)"
        customer = spark.sql(buyers).first()[0]
        revenue = spark.sql("SELECT sum(net_amount) FROM gold.daily_revenue_mart").first()[0]
    before = stack.rows(ALL)
    assert customer in str(before["bronze.orders"])
    subject = hashlib.sha256(customer.encode()).hexdigest()
    states = run(stack, "retailflow_erase", customers=[subject], settled_hours=0)
    assert set(states["redact.feed"]) == {"success"}
    after = stack.rows(ALL)
    assert [name for name in ALL if customer in str(after[name])] == []
    assert len(after["silver.customers"]) == len(before["silver.customers"]) - 1
    assert len(after["silver.orders"]) == len(before["silver.orders"])
    with session(stack.workspace.spark_remote) as spark:
        assert spark.sql("SELECT sum(net_amount) FROM gold.daily_revenue_mart").first()[0] == revenue
        receipts = {row.subject_sha256: row.erased_at for row in spark.read.table("ops.erasures").collect()}
    assert subject in receipts
    assert None not in receipts.values()  # the browsers they used have one too
