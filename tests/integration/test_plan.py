"""The dates that a replay would rebuild, on real Delta and Azurite, with a run log as the jobs leave it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from pipeline import put
from samples import PAID

from retailflow.contracts import feed_contract, feeds
from retailflow.contracts.model import Check
from retailflow.raw import complete, withdraw
from retailflow_spark.bronze import load as bronze
from retailflow_spark.ops.replay_plan import Selection, select
from retailflow_spark.silver import load as silver

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
NAMES = ("payments", "products")
LATE = PAID | {"payment_event_id": "E2"}
BAD = {"payment_event_id": "E3"}


@pytest.fixture
def planned(tables, raw):
    def plan(kind: str, first: date = DAY, last: date = NEXT) -> dict:
        return select(tables, raw, Selection(kind, NAMES, first, last))

    return plan


@pytest.fixture
def run(tables, raw):
    """`run(feed, day, "silver")`: loads a date into BRONZE as the job does, then into the other layers given."""

    def through(name: str, day: date, *layers: str, contract_version: str = feed_contract("payments").version) -> None:
        contract = replace(feed_contract(name), version=contract_version)
        for layer in ("bronze", *layers):
            if layer == "bronze":
                bronze.load_day(tables, raw, contract, day)
            else:
                silver.load_day(tables, contract, day)

    return through


def test_a_range_has_every_complete_date_with_the_rows_its_newest_run_read(planned, run, raw):
    put(raw, "payments", DAY, PAID)
    complete(raw, "payments", DAY)
    put(raw, "payments", NEXT, PAID)
    put(raw, "products", NEXT)
    complete(raw, "products", NEXT)
    assert planned("range") == {"payments": {"2026-01-15": None}, "products": {"2026-01-16": None}}
    run("payments", DAY)
    put(raw, "payments", DAY, LATE)
    run("payments", DAY)
    assert planned("range") == {"payments": {"2026-01-15": 2}, "products": {"2026-01-16": None}}
    assert planned("range", NEXT) == {"products": {"2026-01-16": None}}


def test_a_late_batch_is_found_until_a_run_has_read_it(planned, run, raw):
    put(raw, "payments", DAY, PAID)
    complete(raw, "payments", DAY)
    run("payments", DAY)
    assert planned("late") == {}
    put(raw, "payments", DAY, LATE)
    assert planned("late") == {"payments": {"2026-01-15": 1}}
    assert planned("late", NEXT) == {}
    run("payments", DAY)
    assert planned("late") == {}


def test_a_withdrawal_is_found_until_a_run_has_read_it(planned, run, raw):
    put(raw, "payments", DAY, PAID)
    complete(raw, "payments", DAY)
    late = put(raw, "payments", DAY, LATE)
    run("payments", DAY)
    assert planned("late") == {}
    withdraw(raw, "payments", DAY, late.batch_id)
    assert planned("late") == {"payments": {"2026-01-15": 2}}
    run("payments", DAY)
    assert planned("late") == {}


def test_years_of_dates_cost_one_listing_for_each_feed(planned, run, raw, monkeypatch):
    last = date(2027, 12, 31)
    for day in (DAY, last):
        put(raw, "payments", day, PAID)
        complete(raw, "payments", day)
        run("payments", day)
        put(raw, "payments", day, LATE)
    names, asked = raw.names, []
    monkeypatch.setattr(raw, "names", lambda prefix: asked.append(prefix) or names(prefix))
    monkeypatch.setattr(raw, "exists", lambda path: asked.append(path))
    assert planned("late", DAY, last) == {"payments": {"2026-01-15": 1, "2027-12-31": 1}}
    assert asked == ["payments/ingestion_date=202", "products/ingestion_date=202"]


def test_a_date_that_has_not_run_or_is_not_complete_is_not_late(planned, run, raw):
    put(raw, "payments", DAY, PAID)
    complete(raw, "payments", DAY)
    put(raw, "payments", NEXT, PAID)
    run("payments", NEXT)
    put(raw, "payments", NEXT, LATE)
    assert planned("late") == {}


@pytest.mark.full
def test_quarantine_is_looked_at_again_once_its_contract_has_changed(planned, run, raw):
    put(raw, "payments", DAY, PAID, BAD)
    put(raw, "payments", NEXT, PAID)
    run("payments", DAY, "silver", contract_version="0.9.0")
    run("payments", NEXT, "silver", contract_version="0.9.0")
    assert planned("quarantined") == {"payments": {"2026-01-15": 2}}
    run("payments", DAY, "silver")
    assert planned("quarantined") == {}


def test_dates_that_were_built_with_another_contract_or_code_are_found_until_they_are_replayed(
    planned, run, raw, monkeypatch
):
    put(raw, "payments", DAY, PAID)
    put(raw, "products", DAY)
    run("payments", DAY, "silver")
    run("products", DAY, "silver")
    assert planned("outdated") == {}
    checks = (*feed_contract("payments").checks, Check("c", "amount > 100", "amount is small"))
    stricter = replace(feed_contract("payments"), checks=checks)
    contracts = {feed.name: feed for feed in feeds()} | {"payments": stricter}
    monkeypatch.setattr("retailflow_spark.ops.replay_plan.feed_contract", contracts.__getitem__)
    assert planned("outdated") == {"payments": {"2026-01-15": 1}}
