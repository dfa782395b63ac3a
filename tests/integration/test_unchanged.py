"""A task ends after one look if inputs, contract, code and tables are as its last run left them. Else it works."""

from datetime import date, timedelta

import pytest
from pipeline import everything, put, run_day
from shop import Shop

from retailflow.contracts import feed_contract, gold_table
from retailflow_spark.bronze import load as bronze
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.ops.maintenance import maintain
from retailflow_spark.silver import load as silver
from retailflow_spark.silver.balance import BalanceError

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
CUSTOMERS = feed_contract("customers")
TABLES = tuple(table.name for table in CUSTOMERS.tables)
KNOWN = {"customer_id": "C1", "updated_at": "2026-01-15T10:00:00Z", "segment": "consumer"}
OTHER = KNOWN | {"customer_id": "C2"}
INVALID = KNOWN | {"customer_id": ""}


def versions(tables) -> dict[str, int]:
    """Return the versions of the feed's tables and of the run log."""
    return {name: tables.version(name) for name in (*TABLES, "ops.runs")}


@pytest.fixture
def day(tables, raw):
    """A day of two customers and an invalid record."""
    put(raw, "customers", DAY, KNOWN, OTHER, INVALID)
    run_day(tables, raw, "customers", DAY)
    return tables


def test_the_same_day_again_makes_no_commit_says_so_and_counts_what_the_run_before_counted(day, raw, capsys):
    before, rows = versions(day), {name: everything(day, name) for name in TABLES}
    received = bronze.load_day(day, raw, CUSTOMERS, DAY)
    again = silver.load_day(day, CUSTOMERS, DAY)
    assert versions(day) == before
    assert {name: everything(day, name) for name in TABLES} == rows
    said = capsys.readouterr().out
    assert "bronze.customers 2026-01-15: nothing to do" in said
    assert "silver.customers 2026-01-15: nothing to do" in said
    assert (received.rows_read, received.rows_written, len(received.batches)) == (3, 0, 1)
    assert (again.rows_read, again.rows_written, again.rows_quarantined) == (3, 0, 1)


def test_another_date_wakes_no_task_of_bronze_and_upkeep_none_at_all(day, raw):
    for table in CUSTOMERS.tables:
        maintain(day, table, {})
    before = versions(day)
    run_day(day, raw, "customers", DAY)
    assert versions(day) == before
    put(raw, "customers", NEXT, OTHER | {"customer_id": "C3"}, INVALID)
    run_day(day, raw, "customers", NEXT)
    before = versions(day)
    bronze.load_day(day, raw, CUSTOMERS, DAY)
    assert versions(day) == before


def test_a_batch_more_wakes_both(day, raw):
    put(raw, "customers", DAY, KNOWN | {"updated_at": "2026-01-15T11:00:00Z", "segment": "business"})
    run_day(day, raw, "customers", DAY)
    assert day.read(CUSTOMERS.silver.name).where("customer_id = 'C1'").first().segment == "business"


@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET {} = '?'"])
def test_rows_that_somebody_changed_are_mended(day, raw, change):
    rows = {table: everything(day, table) for table in TABLES}
    for name in TABLES:
        column = "record" if name.startswith("quarantine.") else "segment"
        day.spark.sql(change.format(day.path(name), column) + " WHERE ingestion_date = DATE '2026-01-15'").collect()
        assert everything(day, name) != rows[name]
        run_day(day, raw, "customers", DAY)
        assert {table: everything(day, table) for table in TABLES} == rows, name


def test_silver_by_itself_does_not_pass_over_rows_of_bronze_that_somebody_deleted(day, raw):
    rows = {table: everything(day, table) for table in TABLES}
    day.spark.sql(f"DELETE FROM {day.path(CUSTOMERS.bronze.name)} WHERE _position = 0").collect()
    with pytest.raises(BalanceError):
        silver.load_day(day, CUSTOMERS, DAY)
    run_day(day, raw, "customers", DAY)
    assert {table: everything(day, table) for table in TABLES} == rows


@pytest.mark.parametrize("name", ["retailflow_spark.bronze.load", "retailflow_spark.silver.known"])
def test_other_code_runs_the_day_again(day, raw, monkeypatch, name):
    monkeypatch.setattr(f"{name}.installed", lambda: "another")
    before = day.read("ops.task_attempts").count()
    run_day(day, raw, "customers", DAY)
    assert day.read("ops.task_attempts").count() > before


def test_a_run_that_died_before_its_record_is_not_taken_for_one(tables, raw, monkeypatch):
    put(raw, "customers", DAY, KNOWN, INVALID)
    for target in ("bronze.load", "silver.load"):
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(f"retailflow_spark.{target}.run_log.record", lambda *_, **__: 1 / 0)
            run_day(tables, raw, "customers", DAY)
    run_day(tables, raw, "customers", DAY)
    rows = tables.read("ops.task_attempts").select("layer").collect()
    assert sorted(row.layer for row in rows) == ["bronze", "silver"]


def test_a_run_log_that_was_dropped_is_made_anew(day, raw):
    day.spark.sql(f"DROP TABLE {day.path('ops.runs')}")
    run_day(day, raw, "customers", DAY)
    rows = day.read("ops.task_attempts").select("layer").collect()
    assert sorted(row.layer for row in rows) == ["bronze", "silver"]


def test_a_gold_table_without_news_makes_no_commit_and_follows_the_next(tables, raw, capsys):
    shop = Shop(tables, raw)
    shop.sell("10")
    shop.build("dim_customer", "fact_orders")
    names = ("gold.dim_customer", "gold.fact_orders", "ops.runs")
    before = {name: tables.version(name) for name in names}
    shop.build("dim_customer", "fact_orders")
    assert {name: tables.version(name) for name in names} == before
    assert "gold.fact_orders: nothing to do" in capsys.readouterr().out
    shop.sell("20")
    assert refresh(tables, gold_table("fact_orders")).rows_written == 1


def test_a_merge_that_changes_no_row_is_no_news(day):
    name = CUSTOMERS.silver.name
    before = day.version(name)
    day.spark.sql(
        f"MERGE INTO {day.path(name)} t USING (SELECT 'C1' AS id) s ON t.customer_id = s.id "
        "WHEN MATCHED AND t.segment = '?' THEN UPDATE SET t.segment = '!'"
    ).collect()
    assert day.commits_since(name, before).first is None
