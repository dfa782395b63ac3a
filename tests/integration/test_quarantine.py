"""Quarantine by the command line, and healing: a record that passes later is in GOLD as if it had passed at once."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
from pipeline import empty_catalog, everything, put, run_day
from typer.testing import CliRunner

from retailflow.contracts import feed_contract, gold_table
from retailflow.contracts.model import Check
from retailflow_local import cli, quarantine
from retailflow_spark.bronze import load as bronze
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.silver import load as silver

DAY = date(2026, 1, 15)
ORDERS = feed_contract("orders")
STRICT = replace(ORDERS, checks=(*ORDERS.checks, Check("no_usd", "currency != 'USD'", "is sold in another currency")))


def order(order_id: str, currency: str) -> dict:
    line = {"line_number": 1, "product_id": "P1", "quantity": 2, "unit_price": "1.5"}
    return {
        "order_id": order_id, "ordered_at": "2026-01-15T10:00:00Z", "updated_at": "2026-01-15T10:00:00Z",
        "status": "paid", "currency": currency, "lines": [line],
    }  # fmt: skip


def build(tables) -> None:
    for name in ("dim_customer", "fact_orders"):
        refresh(tables, gold_table(name))


class Airflow:
    """Does what the DAG would do, and records what it was asked."""

    def __init__(self, tables) -> None:
        self.tables, self.triggered = tables, []

    def wait_for_dag(self, dag_id: str, seconds: float) -> None:
        assert dag_id == "retailflow_replay"

    def trigger(self, dag_id: str, logical_date, conf: dict) -> str:
        self.triggered.append(conf)
        silver.load_day(self.tables, ORDERS, DAY)
        build(self.tables)
        return "manual__1"

    def dag_run(self, dag_id: str, run_id: str) -> dict:
        return {"state": "success"}


@pytest.fixture
def command(workspace, tables, monkeypatch):
    """`command(*arguments)` is what `./retailflow quarantine` prints; `command.airflow` the stand-in."""
    airflow = Airflow(tables)
    running = SimpleNamespace(
        spark_remote=workspace.spark_remote,
        processes=SimpleNamespace(find=lambda name: name),
        airflow_client=lambda: airflow,
    )
    monkeypatch.setattr(quarantine, "Workspace", lambda: running)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli.app, ["quarantine", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    run.airflow = airflow
    return run


@pytest.mark.full
def test_records_that_a_strict_contract_quarantined_are_shown_and_retried_and_end_in_gold(tables, raw, command):
    put(raw, "orders", DAY, order("O1", "EUR"), order("O2", "USD"))
    assert "0 records are in quarantine." in command("list")
    assert "Nothing there is in quarantine." in command("retry")
    bronze.load_day(tables, raw, STRICT, DAY)
    silver.load_day(tables, STRICT, DAY)
    build(tables)
    assert tables.read("gold.fact_orders").count() == 1

    listed = command("list", "--date", "2026-01-15")
    assert "is sold in another currency" in listed
    assert "1 records are in quarantine." in listed
    shown = command("show", "--feed", "orders", "--date", "2026-01-15")
    assert ".json record 1\n  is sold in another currency\n1 of 1 records of orders" in shown
    assert '"order_id":"O2"' in command("show", "--feed", "orders", "--date", "2026-01-15", "--raw")
    assert "orders: 1 healed, 0 still in quarantine" in command("retry")
    asked = {"date_from": "2026-01-15", "date_to": "2026-01-15", "feeds": ["orders"], "layers": ["silver", "gold"]}
    assert command.airflow.triggered == [{"selection": "quarantined", "dry_run": False} | asked]

    healed = everything(tables, "gold.fact_orders")
    clean = empty_catalog(tables.spark)
    run_day(clean, raw, "orders", DAY)
    build(clean)
    assert healed == everything(clean, "gold.fact_orders")
    assert len(healed) == 2
