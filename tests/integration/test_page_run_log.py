"""The page's queries on the real tables, as the jobs write them, through the real local warehouse."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from logged import balance, log

from retailflow.contracts import feed_contract
from retailflow.environments import load_environment
from retailflow_spark.delta.schema import create
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts, record
from retailflow_spark.publish.release import RELEASES

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 2, 30, tzinfo=UTC)
SCHEDULED, REPLAY = "scheduled__2026-01-16T02:00:00+00:00", "manual__2026-02-01T00:00:00+00:00"


@pytest.fixture
def page_run_log(workspace, monkeypatch, tmp_path):
    if "AIRFLOW_HOME" not in os.environ:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "port": workspace.ports["jobs"]}
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection | {"password": workspace.jobs_token}))
    monkeypatch.setenv("RETAILFLOW_ENV", "local")
    from retailflow_airflow.page import run_log

    return run_log


def ran(tables, dag_run_id: str, databricks_run_id: str, started_at: datetime, rows: int, day: date = DAY) -> None:
    env = load_environment("local")
    run_log.create(tables)
    record(
        tables,
        Run(env, "silver", "orders", day, dag_run_id, 1, databricks_run_id, started_at),
        feed_contract("orders"),
        Counts(rows),
    )


def add(tables, table, *rows: dict) -> None:
    create(tables, [table])
    tables.append_rows(list(rows), table)


def test_a_warehouse_without_tables_is_an_empty_run_log(tables, page_run_log):
    assert page_run_log.read_run_log() == page_run_log.RunLog()


def test_dates_that_older_code_built_are_outdated(tables, page_run_log, monkeypatch):
    ran(tables, SCHEDULED, "11", NOW, 7)
    ran(tables, SCHEDULED, "12", NOW, 7, DAY - timedelta(days=1))
    assert page_run_log.read_run_log().outdated == {}
    monkeypatch.setattr("retailflow_spark.job.run_log.built_with", lambda *_: "newer")
    ran(tables, REPLAY, "13", datetime(2026, 2, 1, tzinfo=UTC), 8)
    assert page_run_log.read_run_log().outdated == {("silver", "orders"): {DAY - timedelta(days=1)}}


def test_the_newest_entry_of_each_holds_and_the_first_says_whether_it_was_in_time(tables, page_run_log):
    ran(tables, REPLAY, "12", datetime(2026, 2, 1, tzinfo=UTC), 8)
    ran(tables, SCHEDULED, "11", NOW, 7)
    for hour, count in ((4, 4), (1, 1)):
        checked = {"silver_version": 1, "balances": [balance(DAY, record=10, current=7, quarantined=count)]}
        log(tables, "silver", "orders", DAY, is_success=False, ended_at=NOW.replace(hour=hour), **checked)
    notice = {"column": "colour", "kind": "added", "first_file": "a"}
    for hour in (2, 1):
        drift = [notice | {"record_count": hour}]
        log(tables, "bronze", "orders", DAY, is_success=False, ended_at=NOW.replace(hour=hour), drift=drift)
    finding = {"audit": "key_is_unique", "name": "gold.fact_sales", "is_blocking": True, "broken_count": 3}
    finding |= {"sentence": "a key has several rows"}
    log(tables, "publish", "publish", DAY, findings=[finding], ended_at=NOW)
    released = {"versions": {"gold.fact_sales": 4}, "moved": [], "databricks_run_id": "11", "published_at": NOW}
    add(tables, RELEASES, released | {"release": 1}, released | {"release": 2, "versions": {"gold.fact_sales": 5}})

    run_log = page_run_log.read_run_log()
    (run,) = run_log.runs.values()
    assert (run["databricks_run_id"], run["rows_read"], run["run_count"]) == ("12", 8, 2)
    assert run["first_dag_run_id"] == SCHEDULED
    assert run["first_ended_at"] > NOW and run["versions_after"] == {}
    assert run_log.balances["orders", DAY]["quarantined_count"] == 4
    assert [(row["column"], row["record_count"]) for row in run_log.drift["orders", DAY]] == [("colour", 2)]
    assert run_log.audits["gold.fact_sales"][0]["sentence"] == "a key has several rows"
    assert (run_log.release["release"], run_log.release["versions"]) == (2, {"gold.fact_sales": 5})
    assert run_log.days == (DAY, DAY)


def test_revenue_is_summed_by_day_and_currency_to_the_last_digit(tables, page_run_log, spark):
    ran(tables, SCHEDULED, "11", NOW, 7)
    rows = (
        "(DATE'2026-01-15', 'EUR', 0.1000BD), (DATE'2026-01-15', 'EUR', 0.2000BD), (DATE'2020-01-01', 'EUR', 9.0000BD)"
    )
    view = f"SELECT * FROM VALUES {rows} AS t(business_date, currency, net_amount)"
    spark.sql(f"CREATE VIEW spark_catalog.gold.daily_revenue_mart AS {view}")
    (row,) = page_run_log.read_run_log().revenue
    assert row == {"business_date": DAY, "currency": "EUR", "net_amount": Decimal("0.3000")}


def test_quarantine_is_counted_by_reason_and_shown_in_order(tables, page_run_log, spark):
    assert page_run_log.quarantine_reasons("payments", DAY) == []
    table = feed_contract("payments").quarantine
    held = {"ingestion_date": DAY, "_batch_id": "b", "_source_file": "f", "_ingested_at": NOW, "_record_md5": None}
    reasons = (["b", "a"], ["a"], ["a"])
    add(tables, table, *(held | {"reasons": r, "record": "x", "_position": 2 - i} for i, r in enumerate(reasons)))
    found = page_run_log.quarantine_reasons("payments", DAY)
    assert [(row["reason"], row["record_count"]) for row in found] == [("a", 3), ("b", 1)]
    assert page_run_log.quarantine_reasons("payments", date(2026, 1, 16)) == []
    shown = page_run_log.quarantine_records("payments", DAY)
    assert [(row["_position"], row["reasons"]) for row in shown] == [(0, ["a"]), (1, ["a"]), (2, ["b", "a"])]
