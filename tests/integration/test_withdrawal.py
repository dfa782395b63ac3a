"""Batches that are withdrawn, and manifests that go bad, on real Azurite, Spark and Delta."""

from datetime import date

import pytest
from pipeline import everything, put, run_day

from retailflow.manifests import BadManifest
from retailflow.raw import batches_path, withdraw

DAY = date(2026, 1, 15)


def paid(event: str, amount: str, recorded_at: str = "2026-01-15T10:00:00Z") -> dict:
    return {
        "payment_event_id": event, "order_id": "O1", "event_type": "captured", "amount": amount, "currency": "EUR",
        "occurred_at": "2026-01-15T09:00:00Z", "recorded_at": recorded_at,
    }  # fmt: skip


def amounts(tables, name: str) -> dict[str, str]:
    return {row.payment_event_id: str(row.amount) for row in tables.read(name).collect()}


def test_a_manifest_that_is_emptied_later_fails_the_day_and_takes_no_row(tables, raw):
    put(raw, "payments", DAY, paid("E1", "1.00"))
    emptied = put(raw, "payments", DAY, paid("E2", "2.00"))
    run_day(tables, raw, "payments", DAY)
    before = {name: everything(tables, f"{name}.payments") for name in ("bronze", "silver")}
    path = f"{batches_path('payments', DAY)}/{emptied.batch_id}.json"
    raw._container.upload_blob(path, b"", overwrite=True)
    with pytest.raises(BadManifest, match=f"{path} is empty"):
        run_day(tables, raw, "payments", DAY)
    assert {name: everything(tables, f"{name}.payments") for name in ("bronze", "silver")} == before
    assert amounts(tables, "bronze.payments") == {"E1": "1.00", "E2": "2.00"}

    withdraw(raw, "payments", DAY, emptied.batch_id)
    run_day(tables, raw, "payments", DAY)
    assert amounts(tables, "silver.payments") == {"E1": "1.0000"}


def test_the_rows_of_a_withdrawn_batch_leave_bronze_and_silver_and_raw_keeps_every_byte(tables, raw):
    put(raw, "payments", DAY, paid("E1", "1.00"), paid("E2", "2.00"))
    bad = put(raw, "payments", DAY, paid("E2", "99.00", "2026-01-15T11:00:00Z"), paid("E3", "3.00"))
    run_day(tables, raw, "payments", DAY)
    assert amounts(tables, "silver.payments") == {"E1": "1.0000", "E2": "99.0000", "E3": "3.0000"}
    before = {name: raw.read(name) for name in raw.names("payments/")}

    withdrawal = withdraw(raw, "payments", DAY, bad.batch_id)
    run_day(tables, raw, "payments", DAY)
    assert amounts(tables, "bronze.payments") == {"E1": "1.00", "E2": "2.00"}
    assert amounts(tables, "silver.payments") == {"E1": "1.0000", "E2": "2.0000"}
    after = {name: raw.read(name) for name in raw.names("payments/")}
    assert after.pop(f"{batches_path('payments', DAY)}/{withdrawal.batch_id}.json")
    assert after == before

    again = put(raw, "payments", DAY, paid("E3", "3.50"))
    run_day(tables, raw, "payments", DAY)
    assert again.batch_id != bad.batch_id
    assert amounts(tables, "silver.payments") == {"E1": "1.0000", "E2": "2.0000", "E3": "3.5000"}
