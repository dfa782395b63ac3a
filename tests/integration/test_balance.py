"""Law 2 on real Delta: every record is current, superseded, duplicate or quarantined. Also the run log."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from unittest.mock import Mock

import pytest
from logged import balance, log
from pipeline import put, run_day
from samples import PAID

from retailflow.contracts import feed_contract
from retailflow_spark.bronze import load as bronze
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts
from retailflow_spark.silver.balance import Balance, BalanceError, count_date, open_dates
from retailflow_spark.silver.load import load_day
from retailflow_spark.silver.recount import recount

DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
PAYMENTS = feed_contract("payments")


def newest_check(tables, day: date):
    rows = tables.read("ops.row_reconciliation").where(f"ingestion_date = '{day}'")
    return rows.orderBy("silver_version", "checked_at", ascending=False).first()


def test_each_record_is_counted_as_what_became_of_it(tables, raw):
    corrected = PAID | {"amount": "2", "recorded_at": "2026-01-15T11:00:00Z"}
    put(raw, "payments", DAY, PAID, corrected, corrected, PAID | {"currency": "?"}, "no json", PAID)
    run_day(tables, raw, "payments", DAY)
    assert count_date(tables, PAYMENTS, DAY).balance == Balance(
        record=6, current=1, superseded=1, duplicate=2, quarantined=2
    )


def test_a_version_may_be_part_of_the_key(tables, raw):
    contract = replace(PAYMENTS, silver=replace(PAYMENTS.silver, key=("payment_event_id", "recorded_at")))
    put(raw, "payments", DAY, PAID, PAID, PAID | {"recorded_at": "2026-01-15T11:00:00Z"})
    bronze.load_day(tables, raw, contract, DAY)
    load_day(tables, contract, DAY)
    assert count_date(tables, contract, DAY).balance == Balance(
        record=3, current=2, superseded=0, duplicate=1, quarantined=0
    )


def test_a_later_day_that_wins_has_the_earlier_day_counted_again(tables, raw):
    put(raw, "payments", DAY, PAID, PAID | {"payment_event_id": "E2"})
    run_day(tables, raw, "payments", DAY)
    assert newest_check(tables, DAY).current_count == 2
    put(raw, "payments", NEXT, PAID | {"recorded_at": "2026-01-16T10:00:00Z"})
    run_day(tables, raw, "payments", NEXT)
    checked = newest_check(tables, DAY)
    assert (checked.current_count, checked.superseded_count, checked.is_closed) == (1, 1, True)


def test_a_third_day_does_not_change_the_counts_of_the_first(tables, raw):
    newer = PAID | {"recorded_at": "2026-01-17T10:00:00Z"}
    for number, record in enumerate((PAID, PAID, newer)):
        put(raw, "payments", DAY + timedelta(days=number), record)
        run_day(tables, raw, "payments", DAY + timedelta(days=number))
    checked = newest_check(tables, DAY)
    assert count_date(tables, PAYMENTS, DAY).balance == Balance(
        record=1, current=0, superseded=1, duplicate=0, quarantined=0
    )
    assert (checked.superseded_count, checked.duplicate_count) == (1, 0)


def test_the_earlier_day_is_counted_again_though_the_run_that_won_died_before_it_counted(tables, raw, monkeypatch):
    put(raw, "payments", DAY, PAID, PAID | {"payment_event_id": "E2"})
    run_day(tables, raw, "payments", DAY)
    put(raw, "payments", NEXT, PAID | {"recorded_at": "2026-01-16T10:00:00Z"})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("retailflow_spark.silver.load.count_date", Mock(side_effect=KeyboardInterrupt))
        run_day(tables, raw, "payments", NEXT)
    run_day(tables, raw, "payments", NEXT)
    checked = newest_check(tables, DAY)
    assert (checked.current_count, checked.superseded_count, checked.is_closed) == (1, 1, True)


def test_an_earlier_day_is_counted_again_however_long_ago_the_last_check_was(tables, raw):
    put(raw, "payments", DAY, PAID)
    run_day(tables, raw, "payments", DAY)
    tables.spark.sql(f"UPDATE {tables.path('ops.runs')} SET ended_at = ended_at - INTERVAL 400 DAYS")
    put(raw, "payments", NEXT, PAID | {"recorded_at": "2026-01-16T10:00:00Z"})
    run_day(tables, raw, "payments", NEXT)
    assert newest_check(tables, DAY).superseded_count == 1


def test_a_date_is_open_until_a_newer_check_of_it_closes(tables):
    run_log.create(tables)
    assert open_dates(tables) == []
    for number, (day, missing) in enumerate([(DAY, 1), (NEXT, 2), (DAY, 0)]):
        known = {"silver_version": number, "balances": [balance(day, unaccounted=missing)], "is_closed": not missing}
        log(tables, "silver", "payments", day, **known)
    assert open_dates(tables) == [("payments", NEXT)]


def test_a_row_that_vanishes_from_silver_fails_the_next_run_of_its_day(tables, raw, monkeypatch):
    put(raw, "payments", DAY, PAID)
    monkeypatch.setattr(
        "retailflow_spark.silver.profile.valid", lambda validated, c: validated.limit(0).select(*c.silver.column_names)
    )
    with pytest.raises(BalanceError, match="payments of 2026-01-15 does not balance: 1 records are 0 current"):
        run_day(tables, raw, "payments", DAY)
    assert not newest_check(tables, DAY).is_closed


def test_the_nightly_recount_finds_a_row_that_vanished_from_a_date_that_others_moved(tables, raw):
    put(raw, "payments", DAY, PAID, PAID | {"payment_event_id": "E2"})
    run_day(tables, raw, "payments", DAY)
    put(raw, "payments", NEXT, PAID | {"recorded_at": "2026-01-16T10:00:00Z"})
    run_day(tables, raw, "payments", NEXT)
    assert list(recount(tables, "1")) == []
    tables.spark.sql(f"DELETE FROM {tables.path('silver.payments')} WHERE payment_event_id = 'E2'").collect()
    third = NEXT + timedelta(days=1)
    put(raw, "payments", third, PAID | {"payment_event_id": "E3"})
    run_day(tables, raw, "payments", third)  # its updated counts mistake the deletion for a loss to a newer row
    assert (newest_check(tables, DAY).superseded_count, newest_check(tables, DAY).is_closed) == (2, True)
    (sentence,) = recount(tables, "2")
    assert sentence.startswith("payments of 2026-01-15 does not balance: 2 records are 0 current, 1 superseded")
    assert open_dates(tables) == [("payments", DAY)]
    run_day(tables, raw, "payments", DAY)
    assert (newest_check(tables, DAY).current_count, open_dates(tables)) == (1, [])


def test_a_recount_leaves_a_date_whose_silver_is_still_to_run(tables, raw):
    put(raw, "payments", DAY, PAID, PAID | {"payment_event_id": "E2"})
    run_day(tables, raw, "payments", DAY)
    put(raw, "payments", NEXT, PAID | {"recorded_at": "2026-01-16T10:00:00Z"})
    run_day(tables, raw, "payments", NEXT)
    put(raw, "payments", DAY, PAID | {"payment_event_id": "E4"})
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert list(recount(tables, "1")) == []


def test_a_try_is_in_the_run_log_once_however_often_its_row_was_appended(tables):
    run = Run(None, "silver", "payments", DAY, "manual__1", 2, "4711", datetime.now(UTC))
    run_log.create(tables)
    for _ in range(2):
        run_log.record(tables, run, PAYMENTS, Counts(rows_read=3, rows_written=2))
    assert tables.read("ops.runs").count() == 2
    rows = tables.read("ops.task_attempts").collect()
    assert [(row.dag_run_id, row.try_number, row.rows_read, row.rows_written) for row in rows] == [
        ("manual__1", 2, 3, 2)
    ]


def test_the_run_log_names_the_versions_of_what_the_run_wrote(tables, raw):
    put(raw, "payments", DAY, PAID)
    run_day(tables, raw, "payments", DAY)
    (row,) = tables.read("ops.runs").where("layer = 'silver'").collect()
    version = tables.version("silver.payments")
    assert (row.versions_before["silver.payments"], row.versions_after["silver.payments"]) == (version - 1, version)
