"""For any value of any field, the jobs accept or quarantine the record as the oracle does (law 11).

The test gives every field of every feed, also inside objects and arrays, each value that a source may send. It also
writes each valid value in every possible form.
"""

import pytest

from .hostile import ANYTHING, NAMES, add_a_field, objects, places, put_anything, say_twice, spell_otherwise
from .oracle import Oracle
from .sources import Record
from .test_histories import FEEDS

_AT = "2026-01-16T09:00:00.5Z"
_LINE = {"product_id": "P1", "quantity": 2, "unit_price": "1.5", "discount_amount": "0.5", "tax_amount": "0.25"}
_ADDRESS = {"country": "DE", "region": "BW", "city": "Ulm", "postal_code": "89073"}
# A record with a value in every field. The first field of the key distinguishes its copies.
FULL: dict[str, Record] = {
    "orders": {
        "order_id": "O1", "customer_id": "C1", "ordered_at": _AT, "updated_at": _AT, "status": "paid",
        "currency": "EUR", "shipping": {"amount": "4.9", "method": "post", "address": _ADDRESS},
        "coupon_codes": ["TEN"], "lines": [{"line_number": 1, **_LINE}],
    },
    "customers": {
        "customer_id": "C1", "first_name": "Ann", "last_name": "Bee", "email": "a@b.c", "phone": "1 23",
        "birth_date": "2000-02-29", "address": _ADDRESS, "segment": "a", "loyalty_tier": "b",
        "marketing_consent": True, "created_at": _AT, "updated_at": _AT, "deleted_at": _AT,
    },
    "products": {
        "product_id": "P1", "name": "Tea", "category": "A", "subcategory": "B", "brand": "C", "list_price": "1.5",
        "unit_cost": "1", "currency": "EUR", "is_active": True, "updated_at": _AT,
    },
    "stores": {
        "store_id": "S1", "store_type": "shop", "name": "Shop", **_ADDRESS, "timezone": "Europe/Berlin",
        "opened_on": "1950-01-01", "closed_on": "2030-01-01", "updated_at": _AT,
    },
    "store_sales": {
        "receipt_id": "R1", "line_number": 1, "revision": 3, "store_id": "S1", "register_id": "K1",
        "sold_at_local": "2026-01-16T09:00:00", **_LINE, "currency": "EUR", "tender_type": "cash",
        "customer_id": "C1",
    },
    "inventory": {
        "store_id": "S1", "product_id": "P1", "snapshot_date": "2026-01-16", "quantity_on_hand": 5,
        "quantity_reserved": 1, "quantity_on_order": 2, "reorder_point": 3, "unit_cost": "1.5", "recorded_at": _AT,
    },
    "payments": {
        "payment_event_id": "E1", "payment_id": "X1", "order_id": "O1", "event_type": "captured", "amount": "1.5",
        "currency": "EUR", "method": "card", "provider": "P", "occurred_at": _AT, "recorded_at": _AT,
    },
    "clickstream": {
        "event_id": "V1", "occurred_at": _AT, "received_at": _AT, "anonymous_id": "A1", "session_id": "S1",
        "customer_id": "C1", "event_type": "purchase", "page_url": "/", "product_id": "P1", "order_id": "O1",
        "device": {"type": "mobile", "os": "a", "browser": "b"}, "utm": {"source": "a", "medium": "b", "campaign": "c"},
    },
}  # fmt: skip


def variants(feed: str) -> list[Record]:
    """Return copies of the full record, each with one change at one of its paths."""
    record, key = FULL[feed], next(iter(FULL[feed]))
    everywhere, each_object = range(len(places(record))), range(len(objects(record)))
    made = [put_anything(feed, record, place, value) for place in everywhere for value in range(len(ANYTHING))]
    made += [spell_otherwise(feed, record, place, form) for place in everywhere for form in range(13)]
    made += [add_a_field(feed, record, place, name) for place in each_object for name in range(len(NAMES) * 9)]
    made += [say_twice(feed, record, place, value) for place in everywhere for value in range(2)]
    return [
        one | {key: f"{record[key]}-{number}"} if one[key] == record[key] else one for number, one in enumerate(made)
    ]


@pytest.mark.full
@pytest.mark.parametrize("feed", FEEDS)
def test_whatever_a_field_holds_the_oracle_says_what_becomes_of_the_record(begin, feed):
    pipeline = begin((feed,), ())
    made = variants(feed)
    for start in range(0, len(made), 500):
        pipeline.deliver(feed, 1, made[start : start + 500])
    records = Oracle(pipeline.raw).records(feed)
    assert len(records) == len(made) > 700
    assert {record.row is None for record in records} == {True, False}
    assert pipeline.differences() == []
