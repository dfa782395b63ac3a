import gzip
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory_store import MemoryStore

from retailflow.raw import Part, day_path, is_complete
from retailflow_local.simulator.files import deliver_day, deliver_late, parts
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import ALL_FEEDS, FILE_FEEDS, World

from .reading import key_of, read_all, read_records

DAY = date(2026, 1, 15)
WORLD = World(scale=0.02)
NONE = Trouble.none()


def text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def flag(value: object) -> bool:
    return isinstance(value, bool)


def moment(value: object) -> bool:
    return datetime.fromisoformat(str(value)).utcoffset() is not None


def local(value: object) -> bool:
    return datetime.fromisoformat(str(value)).strftime("%Y-%m-%dT%H:%M:%S") == value


def day(value: object) -> bool:
    return bool(date.fromisoformat(str(value)))


def money(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"-?\d+(\.\d{1,4})?", value))


def whole(value: object) -> bool:
    return bool(re.fullmatch(r"-?\d+", str(value)))


def zone(value: object) -> bool:
    return bool(ZoneInfo(str(value)))


def one_of(*allowed: str) -> Callable[[object], bool]:
    return lambda value: value in allowed


def record(**fields: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return a check of a record with these fields. A field whose name ends in `_` may be null."""

    def holds(value: object) -> bool:
        assert isinstance(value, dict)
        assert set(value) == {name.rstrip("_") for name in fields}
        for name, check in fields.items():
            field = value[name.rstrip("_")]
            assert (field is None and name.endswith("_")) or check(field), (name, field)
        return True

    return holds


def many(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


country = one_of("DE", "ES", "PT", "FR", "IT", "AT", "NL", "IE", "GB", "US", "JP", "ZZ")
currency = one_of("EUR", "GBP", "USD", "JPY")
address = record(country=country, region_=text, city_=text, postal_code_=text)
line = record(
    line_number=whole, product_id=text, quantity=whole, unit_price=money, discount_amount=money, tax_amount=money
)
FEEDS = {
    "orders": record(
        order_id=text, customer_id_=text, ordered_at=moment, updated_at=moment,
        status=one_of("placed", "paid", "shipped", "delivered", "cancelled", "returned"), currency=currency,
        shipping=record(amount=money, method=text, address=address), coupon_codes=many(text), lines=many(line),
    ),
    "customers": record(
        customer_id=text, first_name=text, last_name=text, email=text, phone_=text, birth_date_=day, address=address,
        segment=text, loyalty_tier_=text, marketing_consent=flag, created_at=moment, updated_at=moment,
        deleted_at_=moment,
    ),
    "products": record(
        product_id=text, name=text, category=text, subcategory=text, brand=text, list_price=money, unit_cost=money,
        currency=currency, is_active=flag, updated_at=moment,
    ),
    "stores": record(
        store_id=text, store_type=one_of("shop", "warehouse"), name=text, country=country, region=text, city=text,
        postal_code=text, timezone=zone, opened_on=day, closed_on_=day, updated_at=moment,
    ),
    "store_sales": record(
        receipt_id=text, line_number=whole, revision=one_of("1"), store_id=text, register_id=text, sold_at_local=local,
        product_id=text, quantity=whole, unit_price=money, discount_amount=money, tax_amount=money, currency=currency,
        tender_type=text, customer_id_=text,
    ),
    "payments": record(
        payment_event_id=text, payment_id=text, order_id=text,
        event_type=one_of("authorized", "captured", "refunded", "voided", "chargeback"),
        amount=lambda value: money(value) and Decimal(str(value)) > 0, currency=currency, method=text, provider=text,
        occurred_at=moment, recorded_at=moment,
    ),
    "clickstream": record(
        event_id=text, occurred_at=moment, received_at=moment, anonymous_id=text, session_id_=text, customer_id_=text,
        event_type=one_of(
            "page_view", "product_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase"
        ),
        page_url=text, product_id_=text, order_id_=text, device=record(type=text, os=text, browser=text),
        utm=record(source_=text, medium_=text, campaign_=text),
    ),
}  # fmt: skip


@pytest.mark.parametrize("feed", FEEDS)
def test_without_trouble_every_record_keeps_the_contract_and_every_key_is_unique(feed):
    batch = parts(WORLD, feed, DAY, NONE)
    records = read_all(feed, batch)
    assert len(records) >= 12
    assert all(FEEDS[feed](found) for found in records)
    assert len({key_of(feed, found) for found in records}) == len(records)
    assert [part.records for part in batch] == [len(read_records(feed, part)) for part in batch]


def test_inventory_is_parquet_of_the_stated_types_with_unique_keys():
    [part] = parts(WORLD, "inventory", DAY, NONE)
    table = pq.read_table(pa.BufferReader(part.payload))
    assert {field.name: str(field.type) for field in table.schema} == {
        "store_id": "string",
        "product_id": "string",
        "snapshot_date": "date32[day]",
        "quantity_on_hand": "int64",
        "quantity_reserved": "int64",
        "quantity_on_order": "int64",
        "reorder_point": "int64",
        "unit_cost": "decimal128(18, 4)",
        "recorded_at": "timestamp[us, tz=UTC]",
    }
    rows = table.to_pylist()
    assert all(value is not None for row in rows for value in row.values())
    assert len({key_of("inventory", row) for row in rows}) == len(rows) == part.records == 105
    assert {row["snapshot_date"] for row in rows} == {DAY}


def test_each_open_shop_hands_in_one_file_of_its_own_receipts():
    batch = parts(World(scale=0.01), "store_sales", DAY, NONE)
    assert [part.suffix for part in batch] == [f".store_{number:03d}.csv" for number in range(1, 21)]
    assert 0 in {part.records for part in batch}  # a shop without a sale hands in its header
    for part in batch:
        assert {f".{found['store_id']}.csv" for found in read_records("store_sales", part)} <= {part.suffix}


def test_events_lie_in_the_file_of_the_hour_they_were_received():
    for part in parts(WORLD, "clickstream", DAY, NONE):
        hours = {found["received_at"][:13] for found in read_records("clickstream", part)}
        assert hours == {f"2026-01-15T{part.suffix[2:4]}"}
        assert part.payload[4:8] == bytes(4)  # gzip's mtime
        assert gzip.decompress(part.payload).endswith(b"}\n")


def test_a_delivery_repeated_changes_nothing():
    store = MemoryStore()
    first = deliver_day(store, WORLD, DAY, Trouble.some())
    blobs = dict(store.blobs)
    assert deliver_day(store, WORLD, DAY, Trouble.some()) == first
    assert store.blobs == blobs
    assert [manifest.entity for manifest in first] == list(FILE_FEEDS)


def test_a_delivery_is_complete_unless_it_is_left_open():
    store = MemoryStore()
    deliver_day(store, WORLD, DAY, leave_open=["payments"])
    assert [feed for feed in FILE_FEEDS if not is_complete(store, feed, DAY)] == ["payments"]
    assert len(store.manifests("payments", DAY)) == 1


def test_a_delivery_is_made_in_the_half_hour_after_midnight_once_all_its_records_have_happened():
    store = MemoryStore()
    for manifest in deliver_day(store, WORLD, DAY, feeds=ALL_FEEDS):
        assert datetime(2026, 1, 16, 0, 30, tzinfo=UTC) <= manifest.created_at < datetime(2026, 1, 16, 1, tzinfo=UTC)
    zones = {
        row["store_id"]: ZoneInfo(row["timezone"]) for row in read_all("stores", parts(WORLD, "stores", DAY, NONE))
    }
    for sale in read_all("store_sales", parts(World(scale=0.5), "store_sales", DAY, NONE)):
        sold_at = datetime.fromisoformat(sale["sold_at_local"]).replace(tzinfo=zones[sale["store_id"]])
        assert sold_at < datetime(2026, 1, 16, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("feed", ALL_FEEDS)
def test_a_late_batch_is_stored_beside_the_first_and_has_resent_and_new_records(feed):
    store = MemoryStore()
    deliver_day(store, WORLD, DAY, feeds=[feed])
    first = read_all(feed, parts(WORLD, feed, DAY, NONE))
    late = deliver_late(store, WORLD, feed, DAY)
    assert deliver_late(store, WORLD, feed, DAY) == late
    assert [manifest.batch_id for manifest in store.manifests(feed, DAY)][1] == late.batch_id
    folder = day_path(feed, DAY)
    found = [
        record_
        for file in late.files
        for record_ in read_records(feed, _part(file.name, late.batch_id, store.read(f"{folder}/{file.name}")))
    ]
    assert sum(file.records for file in late.files) == len(found)
    assert sum(record_ in first for record_ in found) == 3
    assert len(found) - 3 >= 3


def _part(name: str, batch_id: str, payload: bytes) -> Part:
    return Part(name.removeprefix(f"batch_{batch_id}"), payload, 0)
