"""On the days when the clocks change, no sale is lost or counted on two days, and each has exactly one moment.

The tests send a receipt for every quarter of an hour that a store's clock can show or an operator can type, including
the nonexistent hour, through RAW, BRONZE and SILVER to the mart.
"""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from pipeline import put, run_day

from retailflow.contracts import gold_table
from retailflow_spark.gold.refresh import refresh

DAY = date(2026, 12, 1)
QUARTER = timedelta(minutes=15)
# Per zone and day: the offset from UTC in hours before the change, the change by the store's clock, the offset after
# it. In spring, the hour before the change does not exist: the winter offset moves it forward. In autumn, it comes
# twice: the summer offset gives the earlier moment.
CHANGES = {
    ("Europe/Berlin", "2026-03-29"): (1, "03:00", 2),
    ("Europe/Berlin", "2026-10-25"): (2, "03:00", 1),
    ("America/New_York", "2026-03-08"): (-5, "03:00", -4),
    ("America/New_York", "2026-11-01"): (-4, "02:00", -5),
}


def quarters(day: str) -> list[datetime]:
    """Return the 112 quarters of an hour from 22:00 of the day before until 02:00 of the day after."""
    first = datetime.fromisoformat(f"{day}T00:00:00") - timedelta(hours=2)
    return [first + number * QUARTER for number in range(28 * 4)]


@pytest.fixture(scope="module")
def sold(module_tables, module_raw):
    """Return the facts by receipt, and the mart's units by store and day."""
    tables, raw = module_tables, module_raw
    stores = [
        {"store_id": zone, "name": zone, "timezone": zone, "updated_at": "2026-01-01T00:00:00Z"}
        for zone in {zone for zone, _ in CHANGES}
    ]
    sales = [
        {
            "receipt_id": f"{zone} {local.isoformat()}", "line_number": 1, "revision": 1, "store_id": zone,
            "sold_at_local": local.isoformat(), "product_id": "P1", "quantity": 1, "unit_price": "1",
            "currency": "EUR",
        }
        for zone, day in CHANGES
        for local in quarters(day)
    ]  # fmt: skip
    for name, records in (("store_sales", sales), ("stores", stores)):
        put(raw, name, DAY, *records)
        run_day(tables, raw, name, DAY)
    for name in ("dim_customer", "dim_product", "dim_store", "fact_sales", "daily_revenue_mart"):
        refresh(tables, gold_table(name))
    facts = tables.read("gold.fact_sales").select("sale_id", "sold_at", "business_date").toArrow().to_pylist()
    mart = tables.read("gold.daily_revenue_mart").select("store_id", "business_date", "unit_count").collect()
    assert len(facts) == len({row["sale_id"] for row in facts})
    return {row["sale_id"]: row for row in facts}, {(row[0], row[1]): row[2] for row in mart}


def test_no_sale_is_lost_or_in_two_days(sold):
    facts, mart = sold
    wanted = {f"{zone} {local.isoformat()}": local.date() for zone, day in CHANGES for local in quarters(day)}
    assert {sale: row["business_date"] for sale, row in facts.items()} == wanted
    assert mart == Counter((zone, local.date()) for zone, day in CHANGES for local in quarters(day))
    assert sum(mart.values()) == 4 * 112


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_an_ambiguous_time_takes_the_earlier_offset_and_a_nonexistent_one_moves_forward(sold, zone, day):
    before, change, after = CHANGES[zone, day]
    from_then = datetime.fromisoformat(f"{day}T{change}:00")
    wanted = {local: local - timedelta(hours=after if local >= from_then else before) for local in quarters(day)}
    facts, _ = sold
    found = {local: facts[f"{zone} {local.isoformat()}"]["sold_at"].replace(tzinfo=None) for local in wanted}
    assert found == wanted
