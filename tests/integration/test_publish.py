"""The engine of GOLD on real Delta: each change is applied once, whatever the order, and a crash loses nothing."""

from datetime import date

import pytest
from pipeline import put as deliver
from pipeline import run_day

from retailflow.contracts import feed_contract, gold_table
from retailflow_spark.delta import writer
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.spans import near
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold import affected_keys
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.job import run_log

NAME = "gold.payment_reconciliation"


def put(tables, event: str, order: str, amount: str) -> None:
    """Write a row of silver.payments as its job would."""
    silver = feed_contract("payments").silver
    create(tables, [silver])
    at = "TIMESTAMP'2026-01-15 10:00:00'"
    values = {
        "payment_event_id": f"'{event}'", "payment_id": "'P'", "order_id": f"'{order}'", "event_type": "'captured'",
        "amount": amount, "currency": "'EUR'", "method": "'card'", "provider": "'x'", "occurred_at": at,
        "recorded_at": at, "occurred_date": "DATE'2026-01-15'", "ingestion_date": "DATE'2026-01-15'",
        "_batch_id": "'B'", "_source_file": "'f'", "_position": "0", "_ingested_at": at, "_record_md5": "'m'",
    }  # fmt: skip
    chosen = ", ".join(f"{values[name]} {name}" for name in silver.column_names)
    tables.append(tables.spark.sql(f"SELECT {chosen}"), silver)


def captured(tables) -> dict[str, str]:
    return {row.order_id: str(row.captured_amount) for row in tables.read(NAME).collect()}


def test_only_what_changed_is_written_and_nothing_new_writes_nothing(tables):
    contract = gold_table("payment_reconciliation")
    put(tables, "E1", "O1", "1.10")
    refresh(tables, contract)
    assert captured(tables) == {"O1": "1.1000"}
    version = tables.version(NAME)
    refresh(tables, contract)
    assert tables.version(NAME) == version

    put(tables, "E2", "O1", "2.20")
    put(tables, "E3", "O2", "5")
    refresh(tables, contract)
    assert captured(tables) == {"O1": "3.3000", "O2": "5.0000"}


def die_before_the_record(monkeypatch, tables, contract) -> None:
    """Run until the rows are written, and no further."""
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run_log, "record", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        refresh(tables, contract)


def test_a_crash_before_the_run_is_recorded_only_looks_at_the_same_changes_again(tables, monkeypatch):
    contract = gold_table("payment_reconciliation")
    put(tables, "E1", "O1", "1")
    refresh(tables, contract)
    put(tables, "E2", "O1", "2")
    die_before_the_record(monkeypatch, tables, contract)
    refresh(tables, contract)
    assert captured(tables) == {"O1": "3.0000"}
    recorded = sorted(row.taken[NAME] for row in tables.read("ops.runs").collect())
    assert recorded[1:] == [tables.version(NAME)], "one row of the run before and one of the retry"


def test_the_watermarks_are_the_newest_of_each_source(tables):
    contract = gold_table("payment_reconciliation")
    for number in range(3):
        put(tables, f"E{number}", "O1", "1")
        refresh(tables, contract)
    wanted = {source: tables.version(source) for source in (*contract.sources, NAME)}
    assert {row.source: row.version for row in tables.read("ops.watermarks").collect()} == wanted


def test_a_row_whose_source_is_gone_is_taken_away(tables):
    contract = gold_table("payment_reconciliation")
    put(tables, "E1", "O1", "1")
    put(tables, "E2", "O2", "2")
    refresh(tables, contract)
    tables.spark.sql("DELETE FROM spark_catalog.silver.payments WHERE order_id = 'O1'")
    refresh(tables, contract)
    assert captured(tables) == {"O2": "2.0000"}


def test_a_constraint_of_the_contract_refuses_a_row_that_breaks_it(tables):
    contract = gold_table("daily_revenue_mart")
    create(tables, [contract.table])
    values = {column.name: "0" for column in contract.table.columns} | {
        "business_date": "DATE'2026-01-15'", "channel": "'online'", "store_id": "'online'", "category": "'x'",
        "currency": "'EUR'", "gross_amount": "10", "discount_amount": "1", "net_amount": "8",
    }  # fmt: skip
    frame = tables.spark.sql("SELECT " + ", ".join(f"{values[c.name]} {c.name}" for c in contract.table.columns))
    with pytest.raises(Exception, match="net_is_gross_less_discount"):
        tables.append(frame, contract.table)


def between_looking_and_writing(monkeypatch, act) -> None:
    """Let the next run call `act` after it has found the differences and before it writes them."""
    fetched = writer.fetched

    def then(frame, most):
        rows = fetched(frame, most)
        monkeypatch.setattr(writer, "fetched", fetched)
        act()
        return rows

    monkeypatch.setattr(writer, "fetched", then)


def test_a_run_that_read_its_sources_earlier_than_a_concurrent_one_undoes_nothing(tables, monkeypatch):
    contract, other = gold_table("payment_reconciliation"), Tables(tables.spark, tables.catalog)
    put(tables, "E1", "O1", "1")
    refresh(tables, contract)
    put(tables, "E2", "O1", "2")
    between_looking_and_writing(monkeypatch, lambda: (put(other, "E3", "O1", "4"), refresh(other, contract)))
    refresh(tables, contract)
    assert captured(tables) == {"O1": "7.0000"}


def test_a_run_that_found_nothing_to_write_mends_what_another_writes_meanwhile(tables, monkeypatch):
    contract = gold_table("payment_reconciliation")
    put(tables, "E1", "O1", "1")
    refresh(tables, contract)
    touch = f"UPDATE {tables.path('silver.payments')} SET provider = 'y'"
    older = f"UPDATE {tables.path(NAME)} SET captured_amount = 5, difference_amount = -5"
    tables.spark.sql(touch)
    between_looking_and_writing(monkeypatch, lambda: tables.spark.sql(older))
    refresh(tables, contract)
    assert captured(tables) == {"O1": "1.0000"}


def test_a_row_that_came_and_went_while_a_run_wrote_it_is_deleted(tables, monkeypatch):
    contract, other = gold_table("payment_reconciliation"), Tables(tables.spark, tables.catalog)
    put(tables, "E1", "O1", "1")
    refresh(tables, contract)
    put(tables, "E2", "O1", "2")
    gone = f"DELETE FROM {tables.path('silver.payments')} WHERE payment_event_id = 'E2'"
    between_looking_and_writing(monkeypatch, lambda: (tables.spark.sql(gone), refresh(other, contract)))
    refresh(tables, contract)
    assert captured(tables) == {"O1": "1.0000"}


def test_a_row_that_a_dead_run_wrote_is_deleted_when_its_source_has_gone_since(tables, monkeypatch):
    contract = gold_table("payment_reconciliation")
    put(tables, "E1", "O1", "1")
    refresh(tables, contract)
    put(tables, "E2", "O1", "2")
    die_before_the_record(monkeypatch, tables, contract)
    tables.spark.sql(f"DELETE FROM {tables.path('silver.payments')} WHERE payment_event_id = 'E2'")
    refresh(tables, contract)
    assert captured(tables) == {"O1": "1.0000"}


@pytest.mark.parametrize("keys_fetched", [1, 2])
def test_more_affected_keys_than_are_fetched_are_all_recomputed(tables, raw, monkeypatch, keys_fetched):
    monkeypatch.setattr(affected_keys, "_KEYS", keys_fetched)
    day = date(2026, 1, 15)
    for number, status in enumerate(("placed", "paid")):
        order = {"status": status, "currency": "EUR", "lines": [], "updated_at": f"2026-01-1{5 + number}T10:00:00Z"}
        dated = [order | {"order_id": f"O{n}", "ordered_at": f"2026-01-1{n}T09:00:00Z"} for n in (3, 4)]
        deliver(raw, "orders", day, *dated)
        run_day(tables, raw, "orders", day)
        for name in ("dim_customer", "fact_orders"):
            refresh(tables, gold_table(name))
    found = tables.read("gold.fact_orders").orderBy("order_id").collect()
    assert [(row.order_id, row.status) for row in found] == [("O3", "paid"), ("O4", "paid")]


def test_many_keys_far_apart_are_one_condition_that_spark_takes(spark):
    keys = [(f"h{number}-P1",) for number in range(80)]
    rows = spark.createDataFrame([*keys, ("a",), ("i",)], "id STRING")
    found = {row.id for row in rows.where(near("id", [(key, key) for (key,) in keys])).collect()}
    assert {key for (key,) in keys} <= found and not found & {"a", "i"}
