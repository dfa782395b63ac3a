"""A day that is too large for the client gives the same rows as a small one, whatever is in it. So do tables with
deletion vectors, which upkeep switches on for large tables.
"""

from datetime import date, timedelta

import pytest
from bad_records import CASES, SOUND
from pipeline import empty_catalog, put, run_day

from retailflow.contracts import feed_contract, gold_table
from retailflow.contracts.ddl import DELETION_VECTORS
from retailflow_spark.delta import rows as delta_rows
from retailflow_spark.delta import writer
from retailflow_spark.gold import affected_keys
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.ops import maintenance
from retailflow_spark.ops.maintenance import maintain_layer
from retailflow_spark.silver import profile

pytestmark = pytest.mark.full
DAY = date(2026, 1, 15)
NEXT = DAY + timedelta(days=1)
FEEDS = ("customers", "orders", "payments")
GOLD = ("dim_customer", "fact_orders", "payment_reconciliation")


def rows(lakehouse, name: str) -> list[str]:
    """Return the rows without the columns that differ between runs."""
    return sorted(map(repr, lakehouse.read(name).drop("databricks_run_id", "checked_at", "silver_version").collect()))


@pytest.mark.parametrize("large", ["by its rows", "by its bytes"])
def test_rows_and_balances_are_those_of_a_small_day(tables, raw, monkeypatch, large):
    for feed in FEEDS:
        bad = [case.record for case in CASES if case.feed == feed]
        put(raw, feed, DAY, SOUND[feed], *bad, SOUND[feed])
        newer = {feed_contract(feed).version_column: f"{NEXT}T11:00:00Z"}
        put(raw, feed, NEXT, SOUND[feed] | newer, *bad[:5], SOUND[feed])
    names = [
        table.name for feed in FEEDS for table in (feed_contract(feed).quarantine, *feed_contract(feed).silver_tables)
    ]
    names += [*(f"gold.{name}" for name in GOLD), "ops.row_reconciliation"]

    def found() -> dict[str, list[str]]:
        for day in (DAY, NEXT, DAY):
            for feed in FEEDS:
                run_day(tables, raw, feed, day)
            for name in GOLD:
                refresh(tables, gold_table(name))
            for layer in ("silver", "gold"):
                maintain_layer(tables, layer, "1")
        return {name: rows(tables, name) for name in names}

    small = found()
    empty_catalog(tables.spark)
    if large == "by its rows":
        monkeypatch.setattr(profile, "SMALL_DAY_RECORDS", 0)
        monkeypatch.setattr(affected_keys, "_KEYS", 0)
        monkeypatch.setattr(writer, "MOST_ROWS", -1)
    else:
        monkeypatch.setattr(delta_rows, "MOST_LITERAL_BYTES", -1)
    monkeypatch.setattr(maintenance, "LARGE_BYTES", 0)
    assert found() == small
    assert all(small[name] for name in names)
    has_vectors = {name: tables.properties(name).get(DELETION_VECTORS) for name in names if name.startswith("silver.")}
    assert set(has_vectors.values()) == {"true"}
