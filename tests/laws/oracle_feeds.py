"""The rules for a record of each feed, written a second time, only from the description of the feeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from .oracle_decode import Values
from .oracle_values import (
    UNKNOWN,
    Broken,
    Kind,
    Row,
    amount,
    day,
    flag,
    form,
    key,
    local,
    moment,
    one_of,
    part,
    parts,
    reference,
    text,
    texts,
    values,
    whole,
    zone,
)

__all__ = ["FEEDS", "Broken", "Feed", "Row"]

ID, CUSTOMER, PRODUCT, ORDER = key(), *(3 * [reference(UNKNOWN)])
STORE = reference(UNKNOWN, "online")
CURRENCY, COUNTRY = form("[A-Z]{3}"), form("[A-Z]{2}")
ADDRESS = part(country=COUNTRY, region=text, city=text, postal_code=text)
PRICE, MONEY = amount(0, 9_999_999), amount(-9_999_999_999_999, 9_999_999_999_999)
PIECES, STOCK = whole(-1_000_000, 1_000_000), whole(-1_000_000_000, 1_000_000_000)
INT32, INT64 = whole(-(2**31), 2**31 - 1), whole(-(2**63), 2**63 - 1)
MEASURES = {"quantity": PIECES, "unit_price": PRICE, "discount_amount": MONEY, "tax_amount": MONEY}
FROM_1900 = day(date(1900, 1, 1))
EVENT_TYPES = ("page_view", "product_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase")


def _is_sound_line(line: Row) -> bool:
    """Whether the quantity is not 0, and discount and tax have its sign."""
    signs = (line["discount_amount"] or 0) * line["quantity"], (line["tax_amount"] or 0) * line["quantity"]
    return line["quantity"] != 0 and min(signs) >= 0


def _is_deleted_after_it_was_created(customer: Row) -> bool:
    created_at, deleted_at = customer["created_at"], customer["deleted_at"]
    return created_at is None or deleted_at is None or deleted_at >= created_at


@dataclass(frozen=True)
class Feed:
    """The rules of a feed. `dated` names a date column of SILVER and its source. `required` adds to key and version."""

    name: str
    form: str
    key: tuple[str, ...]
    version: str
    required: tuple[str, ...]
    fields: Mapping[str, Kind]
    dated: tuple[str, str] | None = None
    is_sound: Callable[[Row], bool] = lambda row: True

    def row(self, record: Values | None, made_at: datetime) -> Row:
        """Return the values of a record in a batch that was created at `made_at`. Raises: Broken."""
        if record is None:
            raise Broken(record)
        row = values(record, self.fields, (*self.key, self.version, *self.required), made_at)
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
            "order_id": key(UNKNOWN), "customer_id": CUSTOMER, "ordered_at": moment, "updated_at": moment,
            "status": one_of("placed", "paid", "shipped", "delivered", "cancelled", "returned"), "currency": CURRENCY,
            "shipping": part(amount=PRICE, method=text, address=ADDRESS), "coupon_codes": texts,
            "lines": parts(
                ("product_id", "quantity", "unit_price"), line_number=INT32, product_id=PRODUCT, **MEASURES
            ),
        },
        ("ordered_date", "ordered_at"), lambda row: all(map(_is_sound_line, row["lines"] or ())),
    ),
    Feed(
        "customers", "pages", ("customer_id",), "updated_at", (),
        {
            "customer_id": key(UNKNOWN), **dict.fromkeys(("first_name", "last_name", "email", "phone"), text),
            "birth_date": FROM_1900, "address": ADDRESS, "segment": text, "loyalty_tier": text,
            "marketing_consent": flag, **dict.fromkeys(("created_at", "updated_at", "deleted_at"), moment),
        },
        is_sound=_is_deleted_after_it_was_created,
    ),
    Feed(
        "products", "document", ("product_id",), "updated_at", ("name",),
        {
            "product_id": key(UNKNOWN), **dict.fromkeys(("name", "category", "subcategory", "brand"), text),
            "list_price": PRICE, "unit_cost": PRICE, "currency": CURRENCY, "is_active": flag, "updated_at": moment,
        },
    ),
    Feed(
        "stores", "csv", ("store_id",), "updated_at", ("name", "timezone"),
        {
            "store_id": key(UNKNOWN, "online"), "store_type": one_of("shop", "warehouse"), "name": text,
            "country": COUNTRY, **dict.fromkeys(("region", "city", "postal_code"), text), "timezone": zone,
            "opened_on": FROM_1900, "closed_on": day(years=10), "updated_at": moment,
        },
    ),
    Feed(
        "store_sales", "csv", ("receipt_id", "line_number"), "revision",
        ("sold_at_local", "product_id", "quantity", "unit_price", "currency"),
        {
            "receipt_id": ID, "line_number": INT32, "revision": INT64, "store_id": STORE, "register_id": ID,
            "sold_at_local": local, "product_id": PRODUCT, **MEASURES, "currency": CURRENCY, "tender_type": text,
            "customer_id": CUSTOMER,
        },
        ("sold_date", "sold_at_local"), _is_sound_line,
    ),
    Feed(
        "inventory", "parquet", ("store_id", "product_id", "snapshot_date"), "recorded_at", (),
        {
            "store_id": STORE, "product_id": PRODUCT, "snapshot_date": day(),
            **dict.fromkeys(("quantity_on_hand", "quantity_reserved", "quantity_on_order", "reorder_point"), STOCK),
            "unit_cost": PRICE, "recorded_at": moment,
        },
    ),
    Feed(
        "payments", "lines", ("payment_event_id",), "recorded_at", ("event_type", "amount", "currency", "occurred_at"),
        {
            "payment_event_id": ID, "payment_id": ID, "order_id": ORDER,
            "event_type": one_of("authorized", "captured", "refunded", "voided", "chargeback"),
            # Positive, and up to what DECIMAL(18,4) holds: less than 10 to the power of 14.
            "amount": amount(-(10**14), 10**14), "currency": CURRENCY, "method": text, "provider": text,
            "occurred_at": moment, "recorded_at": moment,
        },
        ("occurred_date", "occurred_at"), lambda row: 0 < row["amount"] < 10**18,
    ),
    Feed(
        "clickstream", "zipped lines", ("event_id",), "received_at", ("event_type", "occurred_at"),
        {
            "event_id": ID, "occurred_at": moment, "received_at": moment, "anonymous_id": ID, "session_id": ID,
            "customer_id": CUSTOMER, "event_type": one_of(*EVENT_TYPES), "page_url": text, "product_id": PRODUCT,
            "order_id": ORDER, "device": part(type=text, os=text, browser=text),
            "utm": part(source=text, medium=text, campaign=text),
        },
        ("occurred_date", "occurred_at"),
    ),
)  # fmt: skip
FEEDS = {feed.name: feed for feed in _FEEDS}
