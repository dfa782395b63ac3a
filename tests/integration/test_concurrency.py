"""Concurrent runs leave the same tables as the same runs in sequence, on the same dates and on different ones."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from pipeline import empty_catalog, everything, put, run_day

from retailflow.contracts import gold_table
from retailflow.raw import RawStore
from retailflow_local.spark_client import session
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import newest, publish

FIRST = date(2026, 1, 15)
NAMES = ("bronze.payments", "silver.payments", "quarantine.payments", "gold.payment_reconciliation")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def deliver_days(raw, days: int) -> None:
    """Deliver days. Each corrects payments of earlier days, resends one and has an invalid one."""
    for number in range(days):
        records = [
            {
                "payment_event_id": f"E{event}", "order_id": f"O{event % 3}", "event_type": "captured",
                "amount": f"{number + 1}.{event}", "currency": "EUR",
                "occurred_at": f"{day(event)}T10:00:00Z", "recorded_at": f"{day(number)}T12:00:00Z",
            }
            for event in range(number + 1)
        ]  # fmt: skip
        put(raw, "payments", day(number), *records, records[0], {"payment_event_id": f"bad {number}"})


def run(tables: Tables, raw: RawStore, days: list[date]) -> None:
    """Do what a DAG run does, for each of these days."""
    for moment in days:
        run_day(tables, raw, "payments", moment)
        refresh(tables, gold_table("payment_reconciliation"))
        publish(tables)


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([[0, 1], [1, 0]], id="two"),
        # The scheduled run, three backfills (one backwards) and a replay of everything.
        pytest.param([[4], [0, 1, 2], [3, 2, 1], [0, 3], [0, 1, 2, 3, 4]], id="five", marks=pytest.mark.full),
    ],
)
def test_runs_at_once_leave_what_they_leave_one_after_the_other(workspace, tables, raw, runs):
    days = 1 + max(number for numbers in runs for number in numbers)
    deliver_days(raw, days)

    def alone(numbers: list[int]) -> None:
        with session(workspace.spark_remote) as spark:
            run(Tables(spark, tables.catalog), raw, [day(number) for number in numbers])

    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(alone, runs))
    at_once = {name: everything(tables, name) for name in NAMES}
    assert all(at_once.values())
    shown = [repr(row) for row in tables.spark.sql("SELECT * FROM spark_catalog.gold.payment_reconciliation").collect()]
    _, versions = newest(tables)

    empty_catalog(tables.spark)
    run(tables, raw, [day(number) for number in range(days)])
    assert at_once == {name: everything(tables, name) for name in NAMES}
    assert sorted(shown) == at_once["gold.payment_reconciliation"]
    assert versions.keys() == {"gold.payment_reconciliation"}
