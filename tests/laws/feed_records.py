"""What the sources of a small shop send: few keys, so that histories meet, and values that matter to a law.

A record is an identity (its key and what never changes for it), values, and a version.
"""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

Record = dict[str, Any]
RecordStrategy = st.SearchStrategy[Record]

_AMOUNTS = ("0.01", "1", "2.5", "19.99", "333.3333")
_ALL_STATES = ("placed", "paid", "shipped", "delivered", "cancelled", "returned")
# The third is the second again, told otherwise: a tie that the rest of the total order decides.
_MOMENTS = (
    *("2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z", "2026-01-15T11:00:00+01:00", "2026-01-16T00:30:00Z"),
    *("2026-01-16T12:00:00.250Z", "2026-01-17T00:00:00Z", "2026-01-17T00:00:00.001Z"),
)
FIRST, NEWER = st.integers(0, 3), st.integers(3, 6)


def _maybe(*values: Any) -> st.SearchStrategy:
    return st.sampled_from((None, *values))


def _signed(sign: int) -> st.SearchStrategy:
    return _maybe("0", *(amount if sign > 0 else f"-{amount}" for amount in _AMOUNTS[:3]))


def _measures() -> RecordStrategy:
    return st.sampled_from((-2, -1, 1, 2, 7)).flatmap(
        lambda quantity: st.fixed_dictionaries(
            {
                "product_id": st.sampled_from(("P1", "P2", "never known")),
                "quantity": st.just(quantity),
                "unit_price": st.sampled_from(("0", *_AMOUNTS)),
                "discount_amount": _signed(quantity),
                "tax_amount": _signed(quantity),
            }
        )
    )


def _identities(name: str, ids: Iterable[str], **fixed: Iterable[Any]) -> RecordStrategy:
    rows = zip(ids, *fixed.values(), strict=True)
    return st.sampled_from([dict(zip((name, *fixed), row, strict=True)) for row in rows])


_LINE = st.tuples(_measures(), _maybe(1, 2)).map(lambda drawn: {"line_number": drawn[1], **drawn[0]})
_ADDRESS = _maybe({"country": "DE", "city": "Ulm"}, {"country": "US"})
_CURRENCY = st.sampled_from(("EUR", "USD"))
IDENTITIES: dict[str, RecordStrategy] = {
    "orders": _identities(
        "order_id", ("O1", "O2", "O3"),
        ordered_at=("2026-01-15T23:30:00Z", "2026-01-16T00:30:00+01:00", "2026-01-16T10:00:00.001Z"),
    ),
    "customers": _identities("customer_id", ("C1", "C2")),
    "products": _identities("product_id", ("P1", "P2")),
    "stores": _identities("store_id", ("S1", "S2")),
    "store_sales": _identities(
        "receipt_id", ("R1", "R1", "R2", "R3"), line_number=(1, 2, 1, 1),
        sold_at_local=("2026-01-15T23:45:00",) * 2 + ("2026-03-29T02:30:00", "2026-11-01T01:30:00"),
    ),
    "payments": _identities(
        "payment_event_id", ("E1", "E2", "E3"),
        occurred_at=("2026-01-15T10:00:00Z", "2026-01-15T23:59:59Z", "2026-01-16T01:00:00+02:00"),
    ),
}  # fmt: skip
VALUES: dict[str, RecordStrategy] = {
    "orders": st.fixed_dictionaries(
        {
            "customer_id": _maybe("C1", "C2", "never known"), "status": st.sampled_from(_ALL_STATES),
            "currency": _CURRENCY, "coupon_codes": _maybe([], ["TEN", "FREE"]),
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
            "name": st.sampled_from(("Tea", "Green tea")), "category": _maybe("A", "B"),
            "list_price": _maybe(*_AMOUNTS), "currency": _maybe("EUR"), "is_active": _maybe(True, False),
        }
    ),
    "stores": st.fixed_dictionaries(
        {
            "name": st.just("Shop"), "store_type": _maybe("shop"), "closed_on": _maybe("2026-01-14", "2026-01-15"),
            "timezone": st.sampled_from(("Europe/Berlin", "America/New_York", "Asia/Tokyo")),
        }
    ),
    "store_sales": st.tuples(
        _measures(),
        st.fixed_dictionaries(
            {
                "store_id": _maybe("S1", "S2", "never known"), "currency": _CURRENCY,
                "register_id": _maybe("K1"), "customer_id": _maybe("C1", "never known"),
            }
        ),
    ).map(lambda drawn: drawn[0] | drawn[1]),
    "payments": st.fixed_dictionaries(
        {
            "order_id": _maybe("O1", "O2", "never known"), "amount": st.sampled_from(_AMOUNTS), "currency": _CURRENCY,
            "event_type": st.sampled_from(("authorized", "captured", "captured", "refunded", "voided", "chargeback")),
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
# What a record breaks its contract by: these fields instead of its own, or this text instead of all.
DAMAGES: dict[str, tuple[Record | str, ...]] = {
    "orders": (
        {"order_id": None}, {"updated_at": "2026-02-30T25:61:00Z"}, {"currency": "eur"}, {"status": "teleported"},
        {"ordered_at": None}, {"shipping": {"amount": "12,50 EUR"}}, {"shipping": {"address": {"country": "Germany"}}},
        *({"lines": [{"product_id": "P1", "quantity": 1, "unit_price": "1"}, line]} for line in _BAD_LINES),
    ),
    "customers": (
        {"customer_id": ""}, {"updated_at": None}, {"updated_at": "2026-01-15T10:00:00"}, {"birth_date": "29.02.2000"},
        {"address": {"country": "de"}}, {"marketing_consent": "yes"},
    ),
    "products": ({"name": None}, {"list_price": "-1"}, {"currency": "euro"}, {"is_active": "1"}),
    "stores": ({"timezone": "Europe/Ulm"}, {"timezone": None}, {"name": ""}, {"store_type": "kiosk"}, "S1,cut"),
    "store_sales": (
        {"quantity": 0}, {"unit_price": None}, {"quantity": 2, "tax_amount": "-0.1"}, {"currency": None},
        {"sold_at_local": "2026-02-30T25:61:00"}, {"sold_at_local": "2026-01-15T10:00:00Z"}, {"revision": "1.5"},
        "R1,cut",
    ),
    "payments": (
        {"amount": "0"}, {"amount": "-1"}, {"amount": "1e3"}, {"amount": None}, {"event_type": "paid"},
        {"occurred_at": "2026-01-15T10:00:00"}, {"payment_event_id": None}, '{"payment_event_id": "E1", "amou',
    ),
}  # fmt: skip
_VERSION = {"store_sales": "revision", "payments": "recorded_at"}
_IDS = frozenset(
    {"order_id", "customer_id", "product_id", "store_id", "receipt_id", "payment_event_id", "category"}
)  # fmt: skip


def records(feed: str, versions: st.SearchStrategy[int]) -> RecordStrategy:
    """Records that keep their contract."""

    def whole(drawn: tuple[Record, Record, int]) -> Record:
        identity, values, version = drawn
        if feed == "store_sales":
            return identity | values | {"revision": version}
        return identity | values | {_VERSION.get(feed, "updated_at"): _MOMENTS[version]}

    return st.tuples(IDENTITIES[feed], VALUES[feed], versions).map(whole)


def of_history(value: Any, prefix: str) -> Any:
    """The same record with ids of its history's own."""
    if isinstance(value, list):
        return [of_history(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{prefix}{inner}" if name in _IDS and inner else of_history(inner, prefix)
        for name, inner in value.items()
    }
