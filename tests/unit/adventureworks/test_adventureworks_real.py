"""The converter on the public files themselves: nothing lost, nothing added, exact to the last digit."""

import csv
import gzip
import io
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from zoneinfo import available_timezones

import pyarrow.parquet as pq
import pytest

from retailflow_local.adventureworks import AdventureWorks
from retailflow_local.adventureworks.oracle import Amounts, source_totals


@pytest.fixture(scope="module")
def converter(real_folder):
    return AdventureWorks(real_folder)


def payload(store, feed, day):
    (name,) = [file.name for batch in store.manifests(feed, day) for file in batch.files]
    return store.read(f"{feed}/ingestion_date={day}/{name}")


def orders_of(store, day):
    (page,) = json.loads(payload(store, "orders", day))
    assert page["next_cursor"] is None
    return page["orders"]


@pytest.mark.parametrize(
    ("day", "orders", "lines", "units", "net"),
    [
        (date(2017, 1, 1), 4, 4, 4, "8351.4564"),
        (date(2017, 1, 2), 4, 4, 4, "14313.0800"),
        (date(2017, 1, 3), 8, 8, 8, "28041.3200"),
        (date(2019, 1, 13), 50, 123, 197, "40616.6452"),
        (date(2019, 3, 1), 129, 306, 473, "111978.6701"),
        (date(2019, 6, 2), 58, 137, 208, "34559.3766"),
    ],
)
def test_a_days_orders_equal_the_files_to_the_last_digit(converter, real_folder, store, day, orders, lines, units, net):
    converter.deliver_day(store, day, first=False)
    records = orders_of(store, day)
    sold = [line for order in records for line in order["lines"]]
    assert (len(records), len(sold), sum(line["quantity"] for line in sold)) == (orders, lines, units)
    assert sum(line["quantity"] * Decimal(line["unit_price"]) for line in sold) == Decimal(net)
    source = source_totals(real_folder, day, day)
    assert (source.order_count, source.line_count) == (orders, lines)
    assert (source.total.unit_count, source.total.net_amount) == (units, Decimal(net))


def test_the_oracle_adds_up_the_whole_source(real_folder):
    source = source_totals(real_folder, date(2017, 1, 1), date(2019, 6, 30))
    assert (source.order_count, source.line_count) == (25_164, 56_046)
    assert source.total == Amounts(37_888, 84_174, Decimal("24914586.8193"))


@pytest.mark.parametrize(
    ("day", "number", "ids"),
    [
        (date(2019, 1, 13), "SO62019", {"SO62019-12807", "SO62019-14224"}),
        (date(2019, 6, 2), "SO72019", {"SO72019-20367", "SO72019-25149"}),
    ],
)
def test_an_order_number_used_by_two_customers_is_two_orders(converter, store, day, number, ids):
    converter.deliver_day(store, day, first=False)
    assert {order["order_id"] for order in orders_of(store, day) if order["order_id"].startswith(number)} == ids


def test_no_order_and_no_line_of_an_order_repeats_on_a_busy_day(converter, store):
    day = date(2019, 3, 1)
    converter.deliver_day(store, day, first=False)
    records = orders_of(store, day)
    keys = Counter((order["order_id"], line["line_number"]) for order in records for line in order["lines"])
    assert len(keys) == 306 and len({order["order_id"] for order in records}) == 129


def test_the_first_day_brings_every_customer_and_the_snapshots(converter, store):
    day = date(2017, 1, 1)
    converter.deliver_day(store, day, first=True)
    (page,) = json.loads(payload(store, "customers", day))
    products = json.loads(payload(store, "products", day))["products"]
    stores = list(csv.DictReader(io.StringIO(payload(store, "stores", day).decode())))
    inventory = pq.read_table(io.BytesIO(payload(store, "inventory", day))).to_pylist()
    assert len({customer["customer_id"] for customer in page["customers"]}) == 18_148
    assert len({product["product_id"] for product in products}) == 504
    assert Counter(row["store_type"] for row in stores) == {"shop": 701, "warehouse": 14}
    assert {row["timezone"] for row in stores} <= available_timezones()
    assert len({(row["store_id"], row["product_id"]) for row in inventory}) == 1_069
    assert {row["store_id"] for row in inventory} <= {row["store_id"] for row in stores}
    assert {row["product_id"] for row in inventory} <= {product["product_id"] for product in products}


def test_delivering_a_real_day_again_changes_nothing(converter, real_folder, store):
    day = date(2017, 1, 1)
    converter.deliver_day(store, day, first=True)
    before = dict(store.blobs)
    AdventureWorks(real_folder).deliver_day(store, day, first=True)
    assert store.blobs == before


def test_a_customer_has_the_address_that_both_keys_agree_on(converter, store):
    converter.deliver_day(store, date(2017, 1, 1), first=True)
    (page,) = json.loads(payload(store, "customers", date(2017, 1, 1)))
    customers = {customer["customer_id"]: customer for customer in page["customers"]}
    assert customers["11000"] == {
        "customer_id": "11000",
        "first_name": "JON",
        "last_name": "YANG",
        "email": "jon24@adventure-works.com",
        "phone": "1 (11) 500 555-0162",
        "birth_date": "1966-04-08",
        "address": {"country": "AU", "region": "QLD", "city": "Rockhampton", "postal_code": "4700"},
        "segment": None,
        "loyalty_tier": None,
        "marketing_consent": None,
        "created_at": None,
        "updated_at": "2016-12-31T00:00:00Z",
        "deleted_at": None,
    }
    assert all(customer["address"] and customer["phone"] for customer in customers.values())


def test_every_product_that_is_sold_has_a_category(real_folder):
    sold = source_totals(real_folder, date(2017, 1, 1), date(2019, 6, 30))
    assert {category for _, category in sold.amounts} == {"Accessories", "Bikes", "Clothing"}


def test_web_events_come_on_their_own_dates_only(converter, store, real_folder):
    if not (real_folder.parent / "clickstream_ecom").is_dir():
        pytest.skip("clickstream_ecom is absent beside adventureworks_sales")
    day = date(2024, 4, 30)
    notes = converter.deliver_day(store, day, first=False)
    (batch,) = store.manifests("clickstream", day)
    events = [
        json.loads(line)
        for file in batch.files
        for line in gzip.decompress(store.read(f"clickstream/ingestion_date={day}/{file.name}")).splitlines()
    ]
    assert len(events) == sum(file.records for file in batch.files) == 386
    assert {event["occurred_at"][:10] for event in events} == {"2024-04-30"}
    assert notes[0] == "orders 2024-04-30: empty, since no order has this date"
    assert store.manifests("orders", day)[0].files == ()
