"""The smallest example for each guard that no other test covers. See test_mutations.py."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from pipeline import put, run_day
from samples import AT, PAID

from retailflow.contracts import feed_contract, gold_table
from retailflow.raw import withdraw
from retailflow_spark.bronze import load as bronze
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.silver import load as silver
from retailflow_spark.silver.balance import BalanceError

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
PAYMENTS = feed_contract("payments")


def paid(**changes: object) -> dict:
    return PAID | changes


def ids(tables, name: str = "silver.payments", column: str = "payment_event_id") -> list[str]:
    return sorted(row[0] for row in tables.read(name).select(column).collect())


def load(tables, raw, name: str, *sent: dict | str, day: date = DAY) -> None:
    put(raw, name, day, *sent)
    run_day(tables, raw, name, day)


def test_white_space_around_a_value_is_no_part_of_it_and_a_blank_value_is_absent(tables, raw):
    load(tables, raw, "payments", paid(currency=" EUR\r\n", amount="\u30002.5\t", provider="\u2003", method="\u2003x "))
    row = tables.read("silver.payments").first()
    assert (row.currency, str(row.amount), row.provider, row.method) == ("EUR", "2.5000", None, "x")


def test_a_moment_before_1990_or_more_than_a_day_after_its_batch_makes_the_record_invalid(tables, raw):
    moments = ("1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", "2026-01-16T23:59:59Z", "2026-01-17T00:00:01Z")
    sent = [paid(payment_event_id=moment, recorded_at=moment) for moment in moments]
    put(raw, "payments", DAY, *sent, created_at=datetime(2026, 1, 16, tzinfo=UTC))
    run_day(tables, raw, "payments", DAY)
    assert ids(tables) == ["1990-01-01T00:00:00Z", "2026-01-16T23:59:59Z"]
    assert tables.read("quarantine.payments").count() == 2


def test_the_id_of_a_fixed_member_is_no_key_of_a_record(tables, raw):
    store = {"name": "Shop", "timezone": "UTC", "updated_at": AT}
    load(tables, raw, "stores", *(store | {"store_id": name} for name in ("unknown", "online", "Online")))
    assert ids(tables, "silver.stores", "store_id") == ["Online"]


def test_a_reference_to_a_fixed_member_is_one_to_the_unknown_member(tables, raw):
    sale = {"line_number": 1, "revision": 1, "sold_at_local": "2026-01-15T10:00:00", "currency": "EUR",
            "product_id": "P1", "quantity": 1, "unit_price": "1"}  # fmt: skip
    sent = [sale | {"receipt_id": f"R{number}", "store_id": name} for number, name in enumerate(("online", "unknown"))]
    load(tables, raw, "store_sales", *sent)
    assert ids(tables, "silver.store_sales", "store_id") == ["unknown", "unknown"]


def test_a_number_that_its_column_cannot_hold_exactly_is_never_rounded(tables, raw):
    load(tables, raw, "payments", paid(amount="0.00005"), paid(payment_event_id="E2", amount="500.0000e-1"))
    assert [(row.payment_event_id, str(row.amount)) for row in tables.read("silver.payments").collect()] == [
        ("E2", "50.0000")
    ]


def test_a_key_that_names_another_date_keeps_one_row(tables, raw):
    load(tables, raw, "payments", PAID)
    moved = paid(occurred_at="2026-01-16T09:00:00Z", recorded_at="2026-01-16T10:00:00Z")
    load(tables, raw, "payments", moved, day=NEXT)
    assert [str(row.occurred_date) for row in tables.read("silver.payments").collect()] == ["2026-01-16"]


def test_24_hours_of_silence_end_a_session_that_has_an_id(tables, raw):
    moments = ("2026-01-14T10:00:00Z", "2026-01-15T09:59:59.999999Z", "2026-01-16T09:59:59.999999Z")
    events = [
        {"event_id": f"V{number}", "anonymous_id": "A1", "session_id": "S1", "event_type": "page_view",
         "occurred_at": moment, "received_at": moment}
        for number, moment in enumerate(moments)
    ]  # fmt: skip
    load(tables, raw, "clickstream", *events)
    refresh(tables, gold_table("fact_web_sessions"))
    rows = tables.read("gold.fact_web_sessions").orderBy("started_at").collect()
    assert [(str(row.session_date), row.event_count) for row in rows] == [("2026-01-14", 2), ("2026-01-16", 1)]


@pytest.mark.parametrize("twice", ['"amount": "100"', '"more": {"a": [{"b": 1, "b": 1}]}'])
def test_a_record_with_a_name_that_comes_twice_is_invalid_and_no_other(tables, raw, twice):
    text = f"{json.dumps(PAID)[:-1]}, {twice}}}"
    load(tables, raw, "payments", text, paid(payment_event_id="E2"))
    assert ids(tables) == ["E2"]


def test_a_record_of_raw_that_is_not_in_bronze_fails_the_run_of_silver(tables, raw):
    put(raw, "payments", DAY, PAID, paid(payment_event_id="E2"))
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    tables.spark.sql("DELETE FROM spark_catalog.bronze.payments WHERE payment_event_id = 'E2'")
    with pytest.raises(BalanceError, match="1 records of RAW are not in BRONZE"):
        silver.load_day(tables, PAYMENTS, DAY)


def test_a_row_whose_batch_is_withdrawn_goes_and_what_it_had_replaced_comes_back(tables, raw):
    load(tables, raw, "payments", PAID)
    wrong = put(raw, "payments", NEXT, paid(amount="100", recorded_at="2026-01-16T10:00:00Z"))
    run_day(tables, raw, "payments", NEXT)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["100.0000"]
    withdraw(raw, "payments", NEXT, wrong.batch_id)
    run_day(tables, raw, "payments", NEXT)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["1.0000"]


def test_a_run_that_saw_fewer_batches_and_is_cancelled_takes_nothing_from_bronze(tables, raw, monkeypatch):
    put(raw, "payments", DAY, PAID)
    read_day, batch_ids = bronze.read_day, bronze.batch_ids

    def read_while_another_run_takes_a_late_batch(*arguments):
        monkeypatch.undo()
        records = read_day(*arguments)
        put(raw, "payments", DAY, paid(payment_event_id="E2"))
        bronze.load_day(tables, raw, PAYMENTS, DAY)
        monkeypatch.setattr(bronze, "batch_ids", cancelled)
        return records

    def cancelled(*arguments):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(bronze, "read_day", read_while_another_run_takes_a_late_batch)
    with pytest.raises(KeyboardInterrupt):
        bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert bronze.batch_ids is batch_ids
    assert ids(tables, "bronze.payments") == ["E1", "E2"]
