"""What a record of a feed must be, and its values, written down once more from FEEDS.md and from nothing else.

Amounts are whole numbers of 1/10000; moments are in UTC; times of a till have no zone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import available_timezones

Row = dict[str, Any]
Kind = Callable[[Any], Any]


class Broken(ValueError):
    """A value or a record that its feed does not allow."""


def text(raw: Any) -> str:
    return str(raw)


def form(pattern: str) -> Kind:
    def read(raw: Any) -> str:
        if not re.fullmatch(pattern, str(raw)):
            raise Broken(raw)
        return str(raw)

    return read


def one_of(*allowed: str) -> Kind:
    return form("|".join(allowed))


def whole(raw: Any) -> int:
    return int(form(r"[+-]?\d{1,19}")(raw))


def flag(raw: Any) -> bool:
    return {"true": True, "false": False}[one_of("true", "false")(str(raw).lower())]


def money(raw: Any) -> int:
    units, _, decimals = form(r"[+-]?\d{1,14}(\.\d{1,4})?")(raw).partition(".")
    amount = int(units.lstrip("+-") + decimals.ljust(4, "0"))
    return -amount if units.startswith("-") else amount


def price(raw: Any) -> int:
    amount = money(raw)
    if amount < 0:
        raise Broken(raw)
    return amount


def day(raw: Any) -> date:
    return _parsed(date.fromisoformat, form(r"\d{4}-\d{2}-\d{2}")(raw))


def local(raw: Any) -> datetime:
    return _parsed(datetime.fromisoformat, form(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?")(raw))


def moment(raw: Any) -> datetime:
    zoned = form(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})")(raw)
    return _parsed(datetime.fromisoformat, zoned).astimezone(UTC)


def zone(raw: Any) -> str:
    if raw not in available_timezones():
        raise Broken(raw)
    return raw


def _parsed(parse: Callable[[str], Any], value: str) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise Broken(value) from error


def texts(raw: Any) -> list[str]:
    return [str(item) for item in raw]


def part(**fields: Kind) -> Kind:
    """An object; what it lacks is null."""
    return lambda raw: _values(raw, fields, ())


def parts(required: tuple[str, ...], **fields: Kind) -> Kind:
    """An array of objects."""
    return lambda raw: [_values(item, fields, required) for item in raw]


def _values(raw: Any, fields: Mapping[str, Kind], required: tuple[str, ...]) -> Row:
    if not isinstance(raw, dict) or any(raw.get(name) in (None, "") for name in required):
        raise Broken(raw)
    return {name: None if raw.get(name) is None else kind(raw[name]) for name, kind in fields.items()}


CURRENCY, COUNTRY = form("[A-Z]{3}"), form("[A-Z]{2}")
ADDRESS = part(country=COUNTRY, region=text, city=text, postal_code=text)
MEASURES = {"quantity": whole, "unit_price": price, "discount_amount": money, "tax_amount": money}


def _is_sound_line(line: Row) -> bool:
    """The quantity is not 0, and discount and tax have its sign."""
    signs = (line["discount_amount"] or 0) * line["quantity"], (line["tax_amount"] or 0) * line["quantity"]
    return line["quantity"] != 0 and min(signs) >= 0


@dataclass(frozen=True)
class Feed:
    """`dated`: the column of SILVER that is the date of another one. `required` adds to key and version."""

    name: str
    form: str
    key: tuple[str, ...]
    version: str
    required: tuple[str, ...]
    fields: Mapping[str, Kind]
    dated: tuple[str, str] | None = None
    is_sound: Callable[[Row], bool] = lambda row: True

    def row(self, record: Any) -> Row:
        """The values of a record. Raises: Broken."""
        row = _values(record, self.fields, (*self.key, self.version, *self.required))
        if not self.is_sound(row):
            raise Broken(record)
        if self.dated:
            column, source = self.dated
            row[column] = row[source].date()
        return row


_FEEDS = (
    Feed(
        "orders", "pages", ("order_id",), "updated_at", ("ordered_at", "status", "currency"),
        {
            "order_id": text, "customer_id": text, "ordered_at": moment, "updated_at": moment,
            "status": one_of("placed", "paid", "shipped", "delivered", "cancelled", "returned"), "currency": CURRENCY,
            "shipping": part(amount=price, method=text, address=ADDRESS), "coupon_codes": texts,
            "lines": parts(
                ("product_id", "quantity", "unit_price"), line_number=whole, product_id=text, **MEASURES
            ),
        },
        ("ordered_date", "ordered_at"), lambda row: all(map(_is_sound_line, row["lines"] or ())),
    ),
    Feed(
        "customers", "pages", ("customer_id",), "updated_at", (),
        {
            **dict.fromkeys(("customer_id", "first_name", "last_name", "email", "phone"), text), "birth_date": day,
            "address": ADDRESS, "segment": text, "loyalty_tier": text, "marketing_consent": flag,
            **dict.fromkeys(("created_at", "updated_at", "deleted_at"), moment),
        },
    ),
    Feed(
        "products", "document", ("product_id",), "updated_at", ("name",),
        {
            **dict.fromkeys(("product_id", "name", "category", "subcategory", "brand"), text),
            "list_price": price, "unit_cost": price, "currency": CURRENCY, "is_active": flag, "updated_at": moment,
        },
    ),
    Feed(
        "stores", "csv", ("store_id",), "updated_at", ("name", "timezone"),
        {
            "store_id": text, "store_type": one_of("shop", "warehouse"), "name": text, "country": COUNTRY,
            **dict.fromkeys(("region", "city", "postal_code"), text), "timezone": zone,
            "opened_on": day, "closed_on": day, "updated_at": moment,
        },
    ),
    Feed(
        "store_sales", "csv", ("receipt_id", "line_number"), "revision",
        ("sold_at_local", "product_id", "quantity", "unit_price", "currency"),
        {
            "receipt_id": text, "line_number": whole, "revision": whole, "store_id": text, "register_id": text,
            "sold_at_local": local, "product_id": text, **MEASURES, "currency": CURRENCY, "tender_type": text,
            "customer_id": text,
        },
        ("sold_date", "sold_at_local"), _is_sound_line,
    ),
    Feed(
        "payments", "lines", ("payment_event_id",), "recorded_at", ("event_type", "amount", "currency", "occurred_at"),
        {
            **dict.fromkeys(("payment_event_id", "payment_id", "order_id"), text),
            "event_type": one_of("authorized", "captured", "refunded", "voided", "chargeback"), "amount": money,
            "currency": CURRENCY, "method": text, "provider": text, "occurred_at": moment, "recorded_at": moment,
        },
        ("occurred_date", "occurred_at"), lambda row: row["amount"] > 0,
    ),
)  # fmt: skip
FEEDS = {feed.name: feed for feed in _FEEDS}
