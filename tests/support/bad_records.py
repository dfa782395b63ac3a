"""Kinds of records that sources really send, each with its outcome (docs/bad-input.md).

A case is a record of a feed, with either the reasons for its quarantine or its values in SILVER.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal as D
from typing import Any

LINE = {"line_number": 1, "product_id": "P1", "quantity": 1, "unit_price": "10"}
SOUND: dict[str, dict[str, Any]] = {
    "orders": {
        "order_id": "O1", "customer_id": "C1", "ordered_at": "2026-01-15T10:00:00Z", "currency": "EUR",
        "updated_at": "2026-01-15T10:00:00Z", "status": "paid", "lines": [LINE],
    },
    "customers": {"customer_id": "C1", "updated_at": "2026-01-15T10:00:00Z"},
    "products": {"product_id": "P1", "name": "Tea", "updated_at": "2026-01-15T10:00:00Z"},
    "stores": {"store_id": "S1", "name": "Ulm", "timezone": "Europe/Berlin", "updated_at": "2026-01-15T10:00:00Z"},
    "store_sales": {
        "receipt_id": "R1", "line_number": "1", "revision": "0", "store_id": "S1", "product_id": "P1", "quantity": "1",
        "sold_at_local": "2026-01-15T10:00:00", "unit_price": "10", "currency": "EUR",
    },
    "payments": {
        "payment_event_id": "E1", "order_id": "O1", "event_type": "captured", "amount": "5", "currency": "EUR",
        "occurred_at": "2026-01-15T10:00:00Z", "recorded_at": "2026-01-15T10:00:00Z",
    },
    "clickstream": {
        "event_id": "E1", "occurred_at": "2026-01-15T10:00:00Z", "received_at": "2026-01-15T10:00:01Z",
        "anonymous_id": "A1", "session_id": "S1", "event_type": "page_view",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A record and its outcome. `change` replaces fields of a valid record, or is the whole text of the record."""

    kind: str
    feed: str
    change: dict[str, Any] | str
    reasons: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any] | str:
        return self.change if isinstance(self.change, str) else SOUND[self.feed] | self.change


def bad(kind: str, feed: str, change: dict[str, Any] | str, *reasons: str) -> Case:
    return Case(kind, feed, change, reasons)


def good(kind: str, feed: str, change: dict[str, Any] | str, **values: Any) -> Case:
    return Case(kind, feed, change, (), values)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TWICE = "an object of the record has a name twice"
NOT_JSON = "the record is not valid JSON (RFC 8259)"
BOUNDS = "is not plausible: before 1990-01-01 or more than 1 day after its delivery"
RFC = "is not a timestamp with offset (RFC 3339)"
CASES = [
    # Text.
    good("padded text", "payments", {"payment_event_id": "\t E1\u2003\n", "provider": " \u00a0"},
         payment_event_id="E1", provider=None),
    good("padded text", "stores", {"store_id": "  S1 ", "name": "\u3000Ulm\u2028"}, store_id="S1", name="Ulm"),
    good("padded text", "orders", {"lines": [LINE | {"product_id": " P1\n"}], "currency": " EUR\n"}, currency="EUR"),
    good("blank text", "clickstream", {"session_id": "", "anonymous_id": " ", "customer_id": "\n"},
         session_id=None, anonymous_id=None, customer_id=None),
    good("blank text", "orders", {"customer_id": "", "shipping": "", "coupon_codes": " "},
         customer_id=None, shipping=None, coupon_codes=None),
    good("blank text", "customers", {"address": {"country": "", "city": " "}, "birth_date": ""}, birth_date=None),
    bad("blank text", "payments", {"currency": "  "}, "currency is missing"),
    bad("blank text", "orders", {"lines": [LINE | {"product_id": " "}]}, "lines[].product_id is missing"),
    bad("control character", "products", {"name": "Te\u0007a"}, "name has a control character"),
    bad("control character", "stores", {"name": "Ul\u0000m"}, "name has a control character"),
    bad("control character", "orders", {"lines": [LINE | {"product_id": "P\u0085\u009f1"}]},
        "lines[].product_id has a control character"),
    bad("control character", "orders", {"lines": [LINE | {"quantity": "\u00011"}]},
        "lines[].quantity is not a whole number"),
    bad("control character", "orders", {"coupon_codes": ["TEN", "T\u0007EN"]},
        "coupon_codes[] has a control character"),
    bad("control character", "payments", {"amount": "12.50\u0000"}, "amount is not a decimal"),
    bad("control character", "store_sales", {"quantity": "\u001f2"}, "quantity is not a whole number"),
    good("control character", "products", {"name": "Green\ttea\nof Ulm"}, name="Green\ttea\nof Ulm"),
    bad("half of a surrogate pair", "payments", '{"payment_event_id": "A\\ud800"}',
        "the record has half of a surrogate pair"),
    bad("a line break after a code", "payments", {"currency": "EU\nR"}, "currency does not have the form ^[A-Z]{3}$"),
    # Ids.
    good("long id", "payments", {"payment_event_id": "x" * 256}, payment_event_id="x" * 256),
    bad("long id", "payments", {"payment_event_id": "x" * 257}, "payment_event_id is longer than 256 characters"),
    bad("reserved id of master data", "customers", {"customer_id": "unknown"}, "customer_id is reserved (unknown)"),
    bad("reserved id of master data", "products", {"product_id": " unknown"}, "product_id is reserved (unknown)"),
    bad("reserved id of master data", "stores", {"store_id": "online"}, "store_id is reserved (unknown, online)"),
    bad("reserved id of master data", "orders", {"order_id": "unknown"}, "order_id is reserved (unknown)"),
    good("reserved id as a reference", "store_sales", {"store_id": "online", "product_id": "unknown"},
         store_id="unknown", product_id="unknown"),
    good("reserved id as a reference", "orders", {"customer_id": "unknown"}, customer_id="unknown"),
    # Moments.
    good("lower case t and z", "payments", {"occurred_at": "2026-01-15t10:00:00z"}, occurred_at=at("2026-01-15T10:00")),
    bad("zero of a runtime", "payments", {"occurred_at": "0001-01-01T00:00:00+01:00"}, f"occurred_at {BOUNDS}"),
    bad("zero of a runtime", "clickstream", {"occurred_at": "0001-01-01T00:00:00Z"}, f"occurred_at {BOUNDS}"),
    bad("zero of a runtime", "clickstream", {"occurred_at": "1970-01-01T00:00:00Z"}, f"occurred_at {BOUNDS}"),
    bad("zero of a runtime", "customers", {"deleted_at": "0001-01-01T00:00:00Z"}, f"deleted_at {BOUNDS}"),
    bad("end of time", "payments", {"occurred_at": "9999-12-31T23:59:59-05:00"}, f"occurred_at {BOUNDS}"),
    bad("end of time", "products", {"updated_at": "9999-12-31T23:59:59Z"}, f"updated_at {BOUNDS}"),
    bad("version of the future", "orders", {"updated_at": "2062-01-15T10:00:00Z"}, f"updated_at {BOUNDS}"),
    good("version of the future", "orders", {"updated_at": "2026-01-17T00:00:00Z"}, updated_at=at("2026-01-17T00:00")),
    bad("version of the future", "orders", {"updated_at": "2026-01-17T00:00:00.000001Z"}, f"updated_at {BOUNDS}"),
    bad("till with a wrong clock", "store_sales", {"sold_at_local": "1989-12-31T23:59:59"}, f"sold_at_local {BOUNDS}"),
    good("bounds of its own", "stores", {"opened_on": "1900-01-01", "closed_on": "2036-01-16"},
         opened_on=date(1900, 1, 1), closed_on=date(2036, 1, 16)),
    bad("bounds of its own", "stores", {"opened_on": "1899-12-31"},
        "opened_on is not plausible: before 1900-01-01 or more than 1 day after its delivery"),
    bad("bounds of its own", "stores", {"closed_on": "2036-01-17"},
        "closed_on is not plausible: before 1990-01-01 or more than 10 years after its delivery"),
    good("bounds of its own", "customers", {"birth_date": "1900-01-01"}, birth_date=date(1900, 1, 1)),
    bad("deleted before created", "customers",
        {"created_at": "2026-01-02T00:00:00Z", "deleted_at": "2026-01-01T00:00:00Z"},
        "deleted_at is before created_at"),
    bad("impossible date", "payments", {"occurred_at": "2026-02-30T10:00:00Z"}, f"occurred_at {RFC}"),
    bad("local time in place of a moment", "payments", {"occurred_at": "2026-01-15T10:00:00"}, f"occurred_at {RFC}"),
    # Numbers.
    good("number or text", "payments", '{"payment_event_id":5,"amount":1234567.89,"event_type":"captured",'
         '"currency":"EUR","occurred_at":"2026-01-15T10:00:00Z","recorded_at":"2026-01-15T10:00:00Z"}',
         payment_event_id="5", amount=D("1234567.8900")),
    good("number or text", "payments", {"amount": 10000000.5}, amount=D("10000000.5000")),
    good("number or text", "payments", {"amount": 0.0001}, amount=D("0.0001")),
    good("trailing zeros and exponents", "payments", {"amount": "1.500000000"}, amount=D("1.5000")),
    good("trailing zeros and exponents", "payments", {"amount": "1.5E+3"}, amount=D("1500.0000")),
    good("trailing zeros and exponents", "payments", {"amount": "12300e-4"}, amount=D("1.2300")),
    good("trailing zeros and exponents", "payments", {"amount": "000000000000000000007.5"}, amount=D("7.5000")),
    bad("too many decimals", "payments", {"amount": "1.23456"}, "amount has more than 4 decimals"),
    bad("too many decimals", "payments", {"amount": "1.00000000000000000001"}, "amount has more than 4 decimals"),
    bad("too many decimals", "payments", {"amount": "1e-5"}, "amount has more than 4 decimals"),
    bad("huge number", "payments", {"amount": "100000000000000"}, "amount is too large"),
    bad("huge number", "payments", {"amount": "1e300"}, "amount is too large"),
    bad("huge number", "payments", {"amount": "1e999999999"}, "amount is not a decimal"),
    bad("huge number", "payments", {"amount": "1e-999999999"}, "amount is not a decimal"),
    bad("huge number", "payments", {"amount": "9" * 5000}, "amount is not a decimal"),
    bad("huge number", "store_sales", {"revision": "9223372036854775808"}, "revision is too large"),
    good("huge number", "store_sales", {"revision": "9223372036854775807"}, revision=9223372036854775807),
    bad("huge number", "store_sales", {"line_number": "2147483648"}, "line_number is too large"),
    bad("huge number", "orders", {"lines": [LINE | {"quantity": 99999999999999999999}]},
        "lines[].quantity is too large"),
    good("nested number of many digits", "orders",
         {"lines": [LINE | {"quantity": 1, "unit_price": "1"}], "shipping": {"amount": 9999998.9999}}),
    good("whole number as a decimal", "store_sales", {"quantity": "2.0"}, quantity=2),
    bad("whole number as a decimal", "store_sales", {"quantity": "2.5"}, "quantity is not a whole number"),
    bad("decimal comma", "payments", {"amount": "12,50"}, "amount is not a decimal"),
    bad("NaN and infinity", "payments", '{"payment_event_id":"E1","amount":NaN}', NOT_JSON),
    bad("NaN and infinity", "payments", {"amount": "NaN"}, "amount is not a decimal"),
    bad("NaN and infinity", "payments", {"amount": "Infinity"}, "amount is not a decimal"),
    bad("NaN and infinity", "store_sales", {"unit_price": "inf"}, "unit_price is not a decimal"),
    bad("other digits", "payments", {"amount": "\u0661\u0662"}, "amount is not a decimal"),
    good("discount larger than its line", "store_sales", {"discount_amount": "1000.00"},
         discount_amount=D("1000.0000")),
    bad("discount without end", "store_sales", {"discount_amount": "10000000000000"},
        "discount_amount is above 9999999999999"),
    # JSON.
    bad("repeated name", "payments", '{"payment_event_id":"E1","amount":"5","amount":"500"}', TWICE),
    bad("repeated name", "orders", '{"order_id":"O1","customer_id":"B","customer_id":"A"}', TWICE),
    bad("repeated name", "orders", '{"order_id":"O1","lines":[{"quantity":1,"quantity":2}]}', TWICE),
    bad("repeated name", "clickstream", '{"event_id":"E1","new":{"x":[{"a":1,"a":2}]}}', TWICE),
    bad("no object where one is due", "products", "[1]", "the record is not a JSON object"),
    bad("no object where one is due", "orders", {"shipping": "by car"}, "shipping is not a JSON object"),
    bad("no object where one is due", "customers", {"address": ["x"]}, "address is not a JSON object"),
    bad("no object where one is due", "orders", {"shipping": {"address": "Ulm"}},
        "shipping.address is not a JSON object"),
    bad("no object where one is due", "orders", {"lines": {"0": LINE}}, "lines is not a JSON array"),
    bad("no object where one is due", "orders", {"lines": [1]}, "lines[] is not a JSON object"),
    bad("object in place of a value", "products", {"name": {"en": "Tea"}},
        "name is a JSON object or array, not a value"),
    bad("object in place of a value", "orders", {"lines": [LINE | {"unit_price": {"EUR": 1}}]},
        "lines[].unit_price is a JSON object or array, not a value"),
    bad("brackets without end", "payments", '{"x":' + "[" * 99 + "]" * 99 + "}", "the record is nested too deeply"),
    bad("cut line", "payments", '{"payment_event_id": "E1", "amou', NOT_JSON),
    good("unknown field", "payments", {"tier": {"a": 1}}, payment_event_id="E1"),
    # CSV.
    bad("stray quote", "stores", 'S"1,Ulm', "the row has a quote where none is allowed"),
    bad("other number of fields", "stores", "S1,Ulm", "the row has a different number of fields than the header"),
    good("quoted line break", "stores", {"city": 'Ulm,\n"Mitte"'}, city='Ulm,\n"Mitte"'),
    # Time zones.
    bad("unknown time zone", "stores", {"timezone": "Factory"},
        "timezone is not a time zone of the list that the contracts ship"),
    bad("unknown time zone", "stores", {"timezone": "localtime"},
        "timezone is not a time zone of the list that the contracts ship"),
    bad("unknown time zone", "stores", {"timezone": "Europe/Ulm"},
        "timezone is not a time zone of the list that the contracts ship"),
]  # fmt: skip
