"""The records of a small shop's sources: few keys, so that deliveries collide, and values that matter to a law.

A record is an identity (its key and the fields that never change for it), values, and a version. hostile.py has
everything else that a record may contain, valid or invalid.
"""

from typing import Any

from hypothesis import strategies as st

from .sources import HEADER, Record, Sent

RecordStrategy = st.SearchStrategy[Record]

_AMOUNTS = ("0.01", "1", "2.5", "19.99", "333.3333")
_ALL_STATES = ("placed", "paid", "shipped", "delivered", "cancelled", "returned")
# The third is the same moment as the second in another form: a tie that the rest of the total order decides. The last
# is too late for a batch of the first day.
_MOMENTS = (
    *("2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z", "2026-01-15T11:00:00+01:00", "2026-01-16T00:30:00Z"),
    *("2026-01-16T12:00:00.250Z", "2026-01-17T00:00:00Z", "2026-01-17T00:00:00.001Z", "2026-01-17T09:00:00Z"),
)
FIRST, NEWER = st.integers(0, 3), st.integers(3, 7)


def _maybe(*values: Any) -> st.SearchStrategy:
    return st.sampled_from((None, *values))


def _signed(sign: int) -> st.SearchStrategy:
    """Amounts of this sign, or none. The last is larger than the amount of most lines."""
    return _maybe("0", *(amount if sign > 0 else f"-{amount}" for amount in (*_AMOUNTS[:3], "5000")))


def _measures() -> RecordStrategy:
    return st.sampled_from((-2, -1, 1, 2, 7)).flatmap(
        lambda quantity: st.fixed_dictionaries(
            {
                "product_id": st.sampled_from(("P1", "P2", "never known", "unknown")),
                "quantity": st.just(quantity),
                "unit_price": st.sampled_from(("0", *_AMOUNTS)),
                "discount_amount": _signed(quantity),
                "tax_amount": _signed(quantity),
            }
        )
    )


def _identities(names: tuple[str, ...], *rows: tuple) -> RecordStrategy:
    return st.sampled_from([dict(zip(names, row, strict=True)) for row in rows])


def _keys(name: str, *ids: str) -> RecordStrategy:
    return _identities((name,), *((key,) for key in ids))


_LINE = st.tuples(_measures(), _maybe(1, 2)).map(lambda drawn: {"line_number": drawn[1], **drawn[0]})
_ADDRESS = _maybe({"country": "DE", "city": "Köln"}, {"country": "US"}, {})
_CURRENCY = st.sampled_from(("EUR", "USD"))
_STOCK = _maybe(-1, 0, 3, 5, 1_000_000_000)
_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kathmandu", "Australia/Lord_Howe")
# Two visits across midnight, and gaps of exactly 30 minutes and 24 hours, and of a microsecond less.
_CLICKS = (
    *("2026-01-15T23:50:00Z", "2026-01-16T00:10:00Z", "2026-01-16T00:40:00Z", "2026-01-16T23:49:59.999999Z"),
    *("2026-01-16T00:39:59.999999Z", "2026-01-17T00:40:00Z", "2026-01-15T09:00:00Z"),
)
IDENTITIES: dict[str, RecordStrategy] = {
    "orders": _identities(
        ("order_id", "ordered_at"),
        *(("O1", "2026-01-15T23:30:00Z"), ("O2", "2026-01-16T00:30:00+01:00"), ("3", "2026-01-16T10:00:00.001Z")),
    ),
    "customers": _keys("customer_id", "C1", "C2", "7"),
    "products": _keys("product_id", "P1", "P2"),
    "stores": _keys("store_id", "S1", "S2"),
    "store_sales": _identities(
        ("receipt_id", "line_number", "sold_at_local"),
        *(("R1", 1, "2026-01-15T23:45:00"), ("R1", 2, "2026-01-15T23:45:00"), ("R2", 1, "2025-03-30T02:30:00")),
        *(("R3", 1, "2025-11-02T01:30:00"), ("R4", 0, "2025-10-05T02:10:00")),
    ),
    "inventory": _identities(
        ("store_id", "product_id", "snapshot_date"),
        *(("S1", "P1", "2026-01-15"), ("S1", "P1", "2026-01-16"), ("S2", "P2", "2026-01-15")),
        *(("online", "P1", "2026-01-15"), ("S1", "unknown", "2026-01-15"), ("S1", "never known", "2026-01-16")),
    ),
    "payments": _identities(
        ("payment_event_id", "occurred_at"),
        *(("E1", "2026-01-15T10:00:00Z"), ("E2", "2026-01-15T23:59:59Z"), ("E3", "2026-01-16T01:00:00+02:00")),
    ),
    "clickstream": _identities(
        ("event_id", "occurred_at"), *((f"V{number}", moment) for number, moment in enumerate(_CLICKS))
    ),
}
VALUES: dict[str, RecordStrategy] = {
    "orders": st.fixed_dictionaries(
        {
            "customer_id": _maybe("C1", "C2", "7", "never known", "unknown"), "currency": _CURRENCY,
            "status": st.sampled_from(_ALL_STATES), "coupon_codes": _maybe([], ["TEN", "FREE"], [" TEN\n", "", None]),
            "shipping": st.none() | st.fixed_dictionaries({"amount": _maybe("4.90"), "address": _ADDRESS}),
            "lines": st.none() | st.lists(_LINE, max_size=3),
        }
    ),
    "customers": st.fixed_dictionaries(
        {
            "first_name": _maybe("Ann"), "address": _ADDRESS, "segment": _maybe("a", "b"),
            "birth_date": _maybe("2000-02-29"), "marketing_consent": _maybe(True, False),
            "created_at": _maybe("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
        }
    ),
    "products": st.fixed_dictionaries(
        {
            "name": st.sampled_from(("Tea", "Green tea")), "category": _maybe("A", "B", "unknown"),
            "list_price": _maybe(*_AMOUNTS), "currency": _maybe("EUR"), "is_active": _maybe(True, False),
        }
    ),
    "stores": st.fixed_dictionaries(
        {
            "name": st.sampled_from(("Shop", 'The "Shop",\r\nUlm')), "store_type": _maybe("shop"),
            "closed_on": _maybe("2026-01-14", "2026-01-15"), "timezone": st.sampled_from(_ZONES),
        }
    ),
    "store_sales": st.tuples(
        _measures(),
        st.fixed_dictionaries(
            {
                "store_id": _maybe("S1", "S2", "never known", "unknown", "online"), "currency": _CURRENCY,
                "register_id": _maybe("K1"), "customer_id": _maybe("C1", "never known"),
            }
        ),
    ).map(lambda drawn: drawn[0] | drawn[1]),
    "inventory": st.fixed_dictionaries(
        {
            "quantity_on_hand": _STOCK, "quantity_reserved": _STOCK, "quantity_on_order": _STOCK,
            "reorder_point": _STOCK, "unit_cost": _maybe("0", "1.5000", "9999999", 2.5),
        }
    ),
    "payments": st.fixed_dictionaries(
        {
            "order_id": _maybe("O1", "O2", "3", "never known", "unknown"), "currency": _CURRENCY,
            "amount": st.sampled_from((*_AMOUNTS, "99999999999999.9999")),
            "event_type": st.sampled_from(("authorized", "captured", "captured", "refunded", "voided", "chargeback")),
        }
    ),
    "clickstream": st.fixed_dictionaries(
        {
            "anonymous_id": _maybe("A1", "A1", "A2"), "session_id": _maybe("S1", "S1", "A1"),
            "customer_id": _maybe("C1", "C2", "unknown"), "order_id": _maybe("O1", "O2"),
            "event_type": st.sampled_from(("page_view", "product_view", "search", "checkout", "purchase", "purchase")),
            "page_url": _maybe("/", "/tea?q=ä\u2028ü"), "product_id": _maybe("P1"),
            "device": _maybe({}, {"type": "mobile", "os": None}), "utm": _maybe({"source": "mail"}, {"source": None}),
        }
    ),
}  # fmt: skip
_BAD_LINES = (
    {"product_id": "P1", "quantity": 0, "unit_price": "1"},
    {"product_id": "P1", "quantity": 1, "unit_price": "12.34567"},
    {"product_id": "P1", "quantity": 1, "unit_price": "-1"},
    {"product_id": None, "quantity": 1, "unit_price": "1"},
    {"product_id": "P1", "quantity": -1, "unit_price": "1", "discount_amount": "0.5"},
)
_CUT_CSV = ("cut", '"cut"x,1', 'c"ut,1', HEADER)
_CUT_JSON = ('{"a": "E1", "amou', "null", "[]", "17", '"E1"', '{"a": 1,}', b'{"a": "caf\xe9"}', '{"a": "\x01"}')
# Ways to break the rules of a feed: these fields replace those of a record, or this text replaces the whole record.
DAMAGES: dict[str, tuple[Sent, ...]] = {
    "orders": (
        {"order_id": None}, {"order_id": "unknown"}, {"updated_at": "2026-02-30T25:61:00Z"}, {"currency": "eur"},
        {"status": "teleported"}, {"ordered_at": None}, {"shipping": {"amount": "12,50 EUR"}}, {"lines": {}},
        {"shipping": {"address": {"country": "Germany"}}}, {"shipping": []}, {"coupon_codes": [{}]}, {"lines": [None]},
        *({"lines": [{"product_id": "P1", "quantity": 1, "unit_price": "1"}, line]} for line in _BAD_LINES),
        *("null", "17", '"O1"'),
    ),
    "customers": (
        {"customer_id": ""}, {"customer_id": "unknown"}, {"updated_at": None}, {"updated_at": "2026-01-15T10:00:00"},
        {"birth_date": "29.02.2000"}, {"birth_date": "1899-12-31"}, {"address": {"country": "de"}}, {"address": "Ulm"},
        {"marketing_consent": "yes"}, {"created_at": "2026-01-15T00:00:00Z", "deleted_at": "2026-01-14T00:00:00Z"},
        "null",
    ),
    "products": (
        {"name": None}, {"list_price": "-1"}, {"currency": "euro"}, {"is_active": "1"}, {"product_id": "unknown"},
        "null",
    ),
    "stores": (
        {"timezone": "Europe/Ulm"}, {"timezone": None}, {"timezone": "localtime"}, {"timezone": "europe/berlin"},
        {"name": ""}, {"store_type": "kiosk"}, {"store_id": "online"}, {"store_id": "unknown"},
        {"opened_on": "1899-12-31"}, {"closed_on": "2099-01-01"}, *_CUT_CSV,
    ),
    "store_sales": (
        {"quantity": 0}, {"unit_price": None}, {"quantity": 2, "tax_amount": "-0.1"}, {"currency": None},
        {"sold_at_local": "2026-02-30T25:61:00"}, {"sold_at_local": "2026-01-15T10:00:00Z"}, {"revision": "1.5"},
        {"revision": "9223372036854775808"}, *_CUT_CSV,
    ),
    "inventory": (
        {"store_id": None}, {"quantity_on_hand": 1_000_000_001}, {"quantity_reserved": "-9223372036854775809"},
        {"unit_cost": float("nan")}, {"unit_cost": float("inf")}, {"unit_cost": "1.00001"}, {"recorded_at": None},
        {"snapshot_date": "9999-12-31"}, {"quantity_on_order": "some"},
    ),
    "payments": (
        {"amount": "0"}, {"amount": "-1"}, {"amount": "1e14"}, {"amount": "1e-5"}, {"amount": None},
        {"event_type": "paid"}, {"occurred_at": "2026-01-15T10:00:00"}, {"payment_event_id": None}, *_CUT_JSON,
    ),
    "clickstream": (
        {"event_type": "like"}, {"occurred_at": None}, {"event_id": " "}, {"device": "mobile"}, {"utm": ["mail"]},
        {"session_id": {"id": 1}}, *_CUT_JSON,
    ),
}  # fmt: skip
_VERSION = {"store_sales": "revision", "payments": "recorded_at", "inventory": "recorded_at",
            "clickstream": "received_at"}  # fmt: skip


def records(feed: str, versions: st.SearchStrategy[int]) -> RecordStrategy:
    """Return a strategy for valid records of a feed."""

    def whole(drawn: tuple[Record, Record, int]) -> Record:
        identity, values, version = drawn
        if feed == "store_sales":
            return identity | values | {"revision": version}
        return identity | values | {_VERSION.get(feed, "updated_at"): _MOMENTS[version]}

    return st.tuples(IDENTITIES[feed], VALUES[feed], versions).map(whole)
