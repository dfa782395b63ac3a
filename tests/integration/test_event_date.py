"""A feed that changes the date of a key: the latest record counts, in any order of arrival, and nothing is blocked."""

from datetime import date, timedelta
from itertools import permutations

import pytest
from pipeline import empty_catalog, everything, put, run_day
from samples import PAID

from retailflow.contracts import feed_contract, gold_table
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import publish
from retailflow_spark.silver.balance import Balance, count_date

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
MOVED = PAID | {"amount": "2", "occurred_at": "2026-01-16T10:00:00Z", "recorded_at": "2026-01-16T10:00:00Z"}
BACK = PAID | {"amount": "3", "recorded_at": "2026-01-16T11:00:00Z"}
PAYMENTS = feed_contract("payments")


def test_the_latest_record_of_a_key_is_its_row_whatever_date_it_names_and_each_record_is_accounted_for(
    tables, raw, capsys
):
    other = PAID | {"payment_event_id": "E2"}
    put(raw, "payments", DAY, PAID, other)
    put(raw, "payments", NEXT, MOVED)
    ended = set()
    for days in permutations((DAY, NEXT)):
        tables = empty_catalog(tables.spark)
        for day in (*days, days[0]):
            run_day(tables, raw, "payments", day)
        ended.add(tuple(everything(tables, "silver.payments")))
        rows = tables.read("silver.payments").orderBy("payment_event_id").collect()
        assert [(row.payment_event_id, str(row.occurred_date), str(row.amount)) for row in rows] == [
            ("E1", "2026-01-16", "2.0000"),
            ("E2", "2026-01-15", "1.0000"),
        ]
        assert count_date(tables, PAYMENTS, DAY).balance == Balance(2, 1, 1, 0, 0)
        assert count_date(tables, PAYMENTS, NEXT).balance == Balance(1, 1, 0, 0, 0)
    assert len(ended) == 1
    assert (
        "warning: 1 keys of payments came with several event dates; the latest record counts" in capsys.readouterr().out
    )


def test_a_key_whose_date_goes_back_and_forth_has_one_row_in_gold_and_publication_goes_on(tables, raw):
    for number, record in enumerate((PAID, MOVED, BACK)):
        put(raw, "payments", DAY + timedelta(days=number), record)
        run_day(tables, raw, "payments", DAY + timedelta(days=number))
        refresh(tables, gold_table("payment_reconciliation"))
    rows = tables.read("gold.payment_reconciliation").collect()
    assert [(str(row.captured_amount), str(row.first_occurred_at)) for row in rows] == [
        ("3.0000", "2026-01-15 10:00:00")
    ]
    assert publish(tables).blocked == set()


def test_an_order_with_two_dates_counts_once(tables, raw):
    order = {
        "order_id": "O1", "currency": "EUR", "status": "paid",
        "lines": [{"line_number": 1, "product_id": "P1", "quantity": 1, "unit_price": "10"}],
    }  # fmt: skip
    built = ("dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales", "daily_revenue_mart")
    for number, moment in enumerate(("2026-01-15T23:59:59Z", "2026-01-16T00:00:01Z")):
        put(raw, "orders", DAY, order | {"ordered_at": moment, "updated_at": f"2026-01-16T0{number}:00:00Z"})
        run_day(tables, raw, "orders", DAY)
        for name in built:
            refresh(tables, gold_table(name))
    for name in ("gold.fact_orders", "gold.fact_sales", "gold.daily_revenue_mart"):
        assert [str(row.business_date) for row in tables.read(name).collect()] == ["2026-01-16"], name
    assert publish(tables).blocked == set()


def test_a_run_that_died_before_it_deleted_the_older_row_leaves_that_to_the_next(tables, raw, monkeypatch):
    put(raw, "payments", DAY, PAID)
    put(raw, "payments", NEXT, MOVED)
    run_day(tables, raw, "payments", DAY)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("retailflow_spark.silver.load.keep_latest_date", lambda *_: 1 / 0)
        run_day(tables, raw, "payments", NEXT)
    assert tables.read("silver.payments").count() == 2
    run_day(tables, raw, "payments", DAY)
    assert [str(row.amount) for row in tables.read("silver.payments").collect()] == ["2.0000"]
