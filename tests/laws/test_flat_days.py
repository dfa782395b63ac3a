"""A day reads no files of dates that it does not touch (law 8): the test deletes these files.

It uses all feeds except inventory. One customer and one product change on both days, and others are new. Ids ascend
with time, because the range of the new ids prunes files (docs/adr/0001).
"""

from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from pipeline import put, run_day

from retailflow.contracts import gold_table
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import newest, publish

pytestmark = pytest.mark.full
LONG_AGO, TODAY = date(2026, 1, 5), date(2026, 1, 15)
FEEDS = ("customers", "products", "stores", "orders", "store_sales", "payments", "clickstream")
GOLD = (
    *("dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales"),
    *("daily_revenue_mart", "payment_reconciliation", "fact_web_sessions"),
)
DATED = (
    *("silver.orders", "silver.store_sales", "silver.payments", "silver.clickstream"),
    *("gold.fact_orders", "gold.fact_sales", "gold.fact_web_sessions"),
)


def test_a_day_reads_no_file_of_a_date_that_it_does_not_touch(tables, raw):
    trade(tables, raw, LONG_AGO, 1)
    for name in DATED:
        for file in tables.read(name).inputFiles():
            Path(unquote(urlparse(file).path)).unlink()
    trade(tables, raw, TODAY, 2)
    published = newest(tables)[1]
    assert published == {f"gold.{name}": tables.version(f"gold.{name}") for name in GOLD}
    today = tables.read("gold.fact_sales").where(f"business_date = DATE'{TODAY}'")
    named = today.join(tables.read("gold.dim_product"), "product_sk").selectExpr("channel", "sale_id", "name")
    assert sorted(map(tuple, named.collect())) == [("online", "O2", "Lamp 2"), ("store", "R2", "Lamp 2")]


def trade(tables: Tables, raw, day: date, number: int) -> None:
    """Run a day on which the shared customer and product change, a new customer comes, and each customer buys once."""
    at, sold = f"{day}T10:00:00Z", {"product_id": "P1", "quantity": 1, "unit_price": "5"}
    records = {
        "customers": [{"customer_id": id_, "updated_at": f"{day}T08:00:00Z", "segment": f"s{number}"}
                      for id_ in ("C0", f"C{number}")],
        "products": [{"product_id": "P1", "updated_at": f"{day}T08:00:00Z", "name": f"Lamp {number}"}],
        "stores": [{"store_id": "S1", "updated_at": at, "name": f"Shop {number}", "timezone": "America/New_York"}],
        "orders": [{"order_id": f"O{number}", "ordered_at": at, "updated_at": at, "customer_id": f"C{number}",
                    "status": "paid", "currency": "EUR", "lines": [sold]}],
        "store_sales": [{"receipt_id": f"R{number}", "line_number": 1, "revision": 1, "store_id": "S1",
                         "customer_id": "C0", "sold_at_local": f"{day}T10:00:00", "currency": "USD", **sold}],
        "payments": [{"payment_event_id": f"E{number}", "order_id": f"O{number}", "event_type": "captured",
                      "amount": "5", "currency": "EUR", "occurred_at": at, "recorded_at": at}],
        "clickstream": [{"event_id": f"{number}{id_}", "anonymous_id": "A1", "session_id": id_ and f"{id_}{number}",
                         "event_type": "page_view", "occurred_at": at, "received_at": at} for id_ in ("V", None)],
    }  # fmt: skip
    for name in FEEDS:
        put(raw, name, day, *records[name])
        run_day(tables, raw, name, day)
    for name in GOLD:
        refresh(tables, gold_table(name))
    publish(tables)
