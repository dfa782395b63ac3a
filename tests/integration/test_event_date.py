"""A feed that changes the date of a key, which it must never do, ends in the same rows in any order and is reported."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from pipeline import empty_catalog, everything, put, run_day

from retailflow.contracts import entity, gold_table
from retailflow.contracts.model import Check
from retailflow_spark import silver
from retailflow_spark.audits import audits, find
from retailflow_spark.balance import Balance, balances
from retailflow_spark.publish import refresh
from retailflow_spark.state import State

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
PAID = {
    "payment_event_id": "E1", "order_id": "O1", "event_type": "captured", "amount": "1", "currency": "EUR",
    "occurred_at": "2026-01-15T10:00:00Z", "recorded_at": "2026-01-15T10:00:00Z",
}  # fmt: skip
MOVED = PAID | {"occurred_at": "2026-01-16T10:00:00Z", "recorded_at": "2026-01-16T10:00:00Z"}
PAYMENTS = entity("payments")
ONE_DATE = Check("e1", "payment_event_id != 'E1' OR to_date(occurred_at) = '2026-01-15'", "E1 is of the 15th")
MENDED = replace(PAYMENTS, checks=(*PAYMENTS.checks, ONE_DATE))


@pytest.mark.full
def test_a_key_with_two_dates_has_the_same_rows_in_any_order_and_is_held_back_from_readers(tables, raw, raw_root):
    put(raw, "payments", DAY, PAID)
    put(raw, "payments", NEXT, MOVED, PAID | {"amount": "2", "recorded_at": "2026-01-15T11:00:00Z"})
    for day in (NEXT, DAY):
        run_day(tables, raw_root, "payments", day)
    late_first = everything(tables, "silver.payments")
    tables = empty_catalog(tables.spark)
    for day in (DAY, NEXT):
        run_day(tables, raw_root, "payments", day)
    assert everything(tables, "silver.payments") == late_first
    rows = tables.read("silver.payments").orderBy("occurred_date").collect()
    assert [(str(row.occurred_date), str(row.amount)) for row in rows] == [
        ("2026-01-15", "2.0000"),
        ("2026-01-16", "1.0000"),
    ]
    assert balances(tables, PAYMENTS, [DAY])[DAY] == Balance(
        record=1, current=0, superseded=1, duplicate=0, quarantined=0
    )
    assert balances(tables, PAYMENTS, [NEXT])[NEXT] == Balance(
        record=2, current=2, superseded=0, duplicate=0, quarantined=0
    )

    refresh(tables, gold_table("payment_reconciliation"))
    assert blocking(tables, "gold.payment_reconciliation") == [
        "gold.payment_reconciliation: keys (payment_event_id) of silver.payments came with several dates "
        "(1 such, audit keys_have_one_date)"
    ]
    silver.load_day(tables, MENDED, NEXT, "mended")
    refresh(tables, gold_table("payment_reconciliation"))
    assert blocking(tables, "gold.payment_reconciliation") == []
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["2.0000"]


def test_an_order_with_two_dates_has_a_row_for_each_and_is_held_back(tables, raw, raw_root):
    order = {"order_id": "O1", "updated_at": "2026-01-16T10:00:00Z", "currency": "EUR", "lines": []}
    for number, status in enumerate(("placed", "paid", "shipped")):
        for day in (DAY, NEXT):
            again = {"status": status, "updated_at": f"2026-01-{16 + number}T10:00:00Z"}
            put(raw, "orders", day, order | again | {"ordered_at": f"{day}T10:00:00Z"})
            run_day(tables, raw_root, "orders", day)
        for name in ("dim_customer", "fact_orders", "payment_reconciliation"):
            refresh(tables, gold_table(name))
    assert [row.status for row in tables.read("gold.fact_orders").collect()] == ["shipped", "shipped"]
    assert [row.order_status for row in tables.read("gold.payment_reconciliation").collect()] == ["shipped"]
    assert blocking(tables, "gold.fact_orders") == [
        "gold.fact_orders: a key has several rows (1 such, audit key_is_unique)",
        "gold.fact_orders: keys (order_id) of silver.orders came with several dates (1 such, audit keys_have_one_date)",
    ]


def blocking(tables, name: str) -> list[str]:
    """What audits of the table alone find in it as it is built."""
    state = State(tables, {name: tables.version(name)}, {})
    asked = [audit for audit in audits() if audit.looks_at == (name,)]
    return [str(finding) for _, finding in find(asked, state) if finding.rule.is_blocking]
