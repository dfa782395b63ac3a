"""BRONZE to SILVER on real Spark and Delta."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from pipeline import everything, put, run_day
from received import reasons

DAY = date(2026, 1, 15)
PAYMENT = {
    "payment_event_id": "E1",
    "order_id": "O1",
    "event_type": "captured",
    "amount": "1.5",
    "currency": "EUR",
    "occurred_at": "2026-01-15T10:00:00Z",
    "recorded_at": "2026-01-15T10:00:01Z",
}
LINE = {"line_number": 1, "product_id": "P1", "quantity": 1, "unit_price": "9.99", "discount_amount": None}
ORDER = {
    "order_id": "O1",
    "ordered_at": "2026-01-15T10:00:00+01:00",
    "updated_at": "2026-01-15T10:00:00Z",
    "status": "paid",
    "currency": "EUR",
    "lines": [LINE],
}


def load(tables, raw, name: str, day: date, *records: dict) -> None:
    """Deliver one more batch for the day, then load its BRONZE and SILVER."""
    put(raw, name, day, *records)
    run_day(tables, raw, name, day)


def test_an_old_day_that_comes_later_never_undoes_a_newer_one(tables, raw):
    newer = PAYMENT | {"recorded_at": "2026-01-16T00:00:00Z", "amount": "2"}
    load(tables, raw, "payments", DAY + timedelta(days=1), newer)
    load(tables, raw, "payments", DAY, PAYMENT)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["2.0000"]


def test_within_a_day_the_greatest_of_version_batch_file_and_position_wins(tables, raw):
    load(tables, raw, "payments", DAY, PAYMENT | {"amount": "1"}, PAYMENT | {"amount": "3"})
    # The later batch is the larger file, which Spark reads first.
    later = PAYMENT | {"amount": "7", "provider": "x" * 1000}
    put(raw, "payments", DAY, later, created_at=datetime(2026, 1, 17, tzinfo=UTC))
    run_day(tables, raw, "payments", DAY)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["7.0000"]
    other = PAYMENT | {"payment_event_id": "E2"}
    load(tables, raw, "payments", DAY, other | {"amount": "1"}, other | {"amount": "3"})
    assert {str(row.amount) for row in tables.read("silver.payments").collect()} == {"7.0000", "3.0000"}


def test_a_day_run_again_changes_no_row_of_any_table(tables, raw):
    load(tables, raw, "payments", DAY, PAYMENT, PAYMENT | {"payment_event_id": "E2", "amount": "-1"})
    names = ("bronze.payments", "silver.payments", "quarantine.payments")
    first = {name: everything(tables, name) for name in names}
    assert [len(rows) for rows in first.values()] == [2, 1, 1]
    run_day(tables, raw, "payments", DAY)
    assert {name: everything(tables, name) for name in names} == first


def test_the_same_record_validated_by_repaired_code_reaches_the_table(tables, raw):
    load(tables, raw, "payments", DAY, PAYMENT)
    tables.spark.sql("UPDATE spark_catalog.silver.payments SET amount = 0")
    run_day(tables, raw, "payments", DAY)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["1.5000"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"payment_event_id": None}, ["payment_event_id is missing"]),
        ({"amount": "1.23456"}, ["amount has more than 4 decimals"]),
        ({"amount": "1e3"}, []),
        ({"amount": "0"}, ["amount is not positive"]),
        ({"currency": "eur"}, ["currency does not have the form ^[A-Z]{3}$"]),
        ({"event_type": "paid"}, ["event_type is not one of authorized, captured, refunded, voided, chargeback"]),
        ({"occurred_at": "2026-01-15T10:00:00"}, ["occurred_at is not a timestamp with offset (RFC 3339)"]),
        ({"occurred_at": "2026-02-30T10:00:00Z"}, ["occurred_at is not a timestamp with offset (RFC 3339)"]),
        ({"amount": "x", "currency": ""}, [
            "amount is not a decimal", "currency is missing",
        ]),
    ],
)  # fmt: skip
def test_a_record_that_breaks_the_contract_is_quarantined_with_its_reasons(spark, change, expected):
    assert validated(spark, "payments", PAYMENT | change) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"lines": None, "shipping": None}, []),
        ({"shipping": {"amount": "4.90", "address": {"country": "DE"}}}, []),
        ({"lines": "x"}, ["lines is not a JSON array"]),
        ({"shipping": [1]}, ["shipping is not a JSON object"]),
        ({"shipping": {"address": {"country": "Germany"}}}, [
            "shipping.address.country does not have the form ^[A-Z]{2}$"
        ]),
        ({"lines": [LINE, LINE | {"unit_price": "-1"}]}, ["lines[].unit_price is below 0"]),
        ({"lines": [LINE | {"product_id": None}]}, ["lines[].product_id is missing"]),
        ({"lines": [LINE | {"quantity": 0}]}, ["a line has quantity 0"]),
        ({"lines": [LINE | {"quantity": -1, "tax_amount": "0.10"}]}, [
            "the tax of a line does not have the sign of its quantity"
        ]),
        ({"lines": [LINE | {"quantity": -1, "tax_amount": "-0.10", "discount_amount": "0"}]}, []),
    ],
)  # fmt: skip
def test_a_nested_field_is_validated_like_any_other(spark, change, expected):
    assert validated(spark, "orders", ORDER | change) == expected


def test_a_receipt_that_names_no_store_is_a_row(spark):
    header = "receipt_id,line_number,revision,sold_at_local,product_id,quantity,unit_price,currency"
    row = "R1,1,1,2026-01-15T10:00:00,P1,1,1,EUR"
    assert reasons(spark, "store_sales", f"{header}\n{row}\n".encode(), 1) == [[]]


def validated(spark, name: str, record: dict) -> list[str]:
    """Return the reasons why one record is invalid."""
    listed = json.dumps(record) if name == "payments" else json.dumps([{name: [record]}])
    (found,) = reasons(spark, name, listed.encode(), 1)
    return found


def test_customers_keep_every_version_and_the_newest_apart(tables, raw):
    def customer(at: str, city: str) -> dict:
        return {"customer_id": "C1", "updated_at": at, "address": {"city": city}}

    for day, at, city in ((DAY + timedelta(days=1), "2026-01-16T00:00:00Z", "B"), (DAY, "2026-01-15T00:00:00Z", "A")):
        load(tables, raw, "customers", day, customer(at, city))
    assert [row.address.city for row in tables.read("silver.customers").collect()] == ["B"]
    versions = tables.read("silver.customers_history").orderBy("updated_at").collect()
    assert [row.address.city for row in versions] == ["A", "B"]
