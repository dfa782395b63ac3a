"""The tests of live tables, run on tables that the jobs wrote."""

import importlib.util
from datetime import date, timedelta

import pytest
from logged import balance, log
from pipeline import put, run_day

from retailflow_local.workspace import REPOSITORY

DAY = date(2026, 1, 15)
HEADER = {
    "line_number": 1, "revision": 0, "sold_at_local": "2026-01-15T10:00:00", "product_id": "P1", "quantity": 1,
    "unit_price": "1", "currency": "EUR",
}  # fmt: skip


@pytest.fixture
def records(tables):
    """The module tests/data/test_records.py, and a function that runs its queries."""
    spec = importlib.util.spec_from_file_location("live_records", REPOSITORY / "tests/data/test_records.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, lambda query: [row.asDict() for row in tables.spark.sql(query).collect()]


def receipts(store: str, good: int, bad: int) -> list[dict]:
    sound = [HEADER | {"receipt_id": f"{store}-{number}", "store_id": store} for number in range(good)]
    broken = [
        HEADER | {"receipt_id": f"{store}-b{number}", "store_id": store, "currency": "?"} for number in range(bad)
    ]
    return sound + broken


def test_a_store_whose_till_breaks_is_noticed_though_its_feed_has_few_invalid_records(tables, raw, records):
    module, rows = records
    for number in range(3):
        put(raw, "store_sales", DAY + timedelta(days=number), *receipts("S1", 30, 1), *receipts("S2", 30, 0))
        run_day(tables, raw, "store_sales", DAY + timedelta(days=number))
    module.test_no_store_has_far_more_invalid_records_than_on_the_days_before(rows)
    last = DAY + timedelta(days=3)
    put(raw, "store_sales", last, *receipts("S1", 30, 1), *receipts("S2", 10, 25), *receipts("S3", 1000, 0))
    run_day(tables, raw, "store_sales", last)
    module.test_no_date_has_more_than_a_tenth_of_its_records_in_quarantine(rows)
    with pytest.raises(AssertionError) as failure:
        module.test_no_store_has_far_more_invalid_records_than_on_the_days_before(rows)
    assert "'store_id': 'S2', 'quarantined_count': 25, 'record_count': 35" in str(failure.value)
    assert "S1" not in str(failure.value)


@pytest.mark.parametrize(("before", "now", "is_far"), [((5, 5, 5), 20, False), ((5, 5, 5), 30, True), ((), 30, False)])
def test_a_feed_with_far_more_invalid_records_than_usual_is_noticed(tables, records, before, now, is_far):
    module, rows = records
    for number, count in enumerate((*before, now)):
        day = DAY + timedelta(days=number)
        balances = [balance(day, record=1000, quarantined=count)]
        log(tables, "silver", "orders", day, silver_version=number, balances=balances)
    if is_far:
        with pytest.raises(AssertionError, match="'quarantined_count': 30"):
            module.test_no_feed_has_far_more_invalid_records_than_on_the_days_before(rows)
    else:
        module.test_no_feed_has_far_more_invalid_records_than_on_the_days_before(rows)
