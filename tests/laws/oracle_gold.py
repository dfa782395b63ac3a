"""The facts and marts of GOLD in plain Python, from the oracle's SILVER. Amounts are whole numbers of 1/10000.

`customer` and `product` of a fact are the versions valid at its moment: id and beginning.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from .oracle import Oracle
from .oracle_dimensions import by_id, calendar, customers, missing_count, products, stores, version_at
from .oracle_feeds import Row
from .oracle_sessions import sessions
from .oracle_values import UNKNOWN

AMOUNTS = ("gross_amount", "discount_amount", "net_amount", "tax_amount")


class Gold:
    """The GOLD tables of a RAW container."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def table(self, name: str) -> list[Row]:
        return getattr(self, name.removeprefix("gold."))

    @cached_property
    def dim_date(self) -> list[Row]:
        return calendar()

    @cached_property
    def dim_customer(self) -> list[Row]:
        return customers(self._oracle)

    @cached_property
    def dim_product(self) -> list[Row]:
        return products(self._oracle)

    @cached_property
    def dim_store(self) -> list[Row]:
        return stores(self._oracle)

    @cached_property
    def _customers(self) -> dict[str, list[Row]]:
        return by_id(self.dim_customer, "customer_id")

    @cached_property
    def _products(self) -> dict[str, list[Row]]:
        return by_id(self.dim_product, "product_id")

    @cached_property
    def fact_orders(self) -> list[Row]:
        return [
            _order(order)
            | {"customer": version_at(self._customers, order["customer_id"], order["ordered_at"])}
            | {"missing_dimension_count": missing_count(self._customers, order["customer_id"])}
            for order in self._oracle.rows("orders")
        ]

    @cached_property
    def fact_sales(self) -> list[Row]:
        customers, products = self._customers, self._products
        return [
            line
            | {"customer": version_at(customers, line["customer_id"], line["sold_at"])}
            | {"product": version_at(products, line["product_id"], line["sold_at"])}
            | {
                "missing_dimension_count": missing_count(customers, line["customer_id"])
                + missing_count(products, line["product_id"])
            }
            for line in (*self._online(), *self._in_stores())
        ]

    def _online(self) -> Iterable[Row]:
        for order in self._oracle.rows("orders"):
            if order["status"] != "cancelled":
                for number, line in _numbered(order["lines"] or []):
                    local = order["ordered_at"].replace(tzinfo=None)
                    yield _line("online", order["order_id"], number, order, line) | {
                        "sold_at": order["ordered_at"], "sold_at_local": local, "business_date": local.date(),
                        "store_id": "online", "register_id": None, "is_after_closing": False,
                    }  # fmt: skip

    def _in_stores(self) -> Iterable[Row]:
        stores = {store["store_id"]: store for store in self._oracle.rows("stores")}
        for sale in self._oracle.rows("store_sales"):
            store, local = stores.get(sale["store_id"], {}), sale["sold_at_local"]
            # An ambiguous time is the earlier moment; a nonexistent time moves forward.
            sold_at = local.replace(tzinfo=ZoneInfo(store.get("timezone", "UTC")), fold=0).astimezone(UTC)
            closed_on: date | None = store.get("closed_on")
            yield _line("store", sale["receipt_id"], sale["line_number"], sale, sale) | {
                "sold_at": sold_at, "sold_at_local": local, "business_date": local.date(),
                "store_id": sale["store_id"] or UNKNOWN, "register_id": sale["register_id"],
                "is_after_closing": closed_on is not None and local.date() > closed_on,
            }  # fmt: skip

    @cached_property
    def fact_inventory_snapshot(self) -> list[Row]:
        return [
            _stock(snapshot)
            | {"product": version_at(self._products, snapshot["product_id"], _end_of(snapshot["snapshot_date"]))}
            | {"missing_dimension_count": missing_count(self._products, snapshot["product_id"])}
            for snapshot in self._oracle.rows("inventory")
        ]

    @cached_property
    def fact_web_sessions(self) -> list[Row]:
        return sessions(self._oracle.rows("clickstream"))

    @cached_property
    def daily_revenue_mart(self) -> list[Row]:
        categories = {(row["product_id"], row["valid_from"]): row["category"] or UNKNOWN for row in self.dim_product}
        groups: dict[tuple, list[Row]] = defaultdict(list)
        for line in self.fact_sales:
            place = (line["business_date"], line["channel"], line["store_id"])
            groups[*place, categories[line["product"]], line["currency"]].append(line)
        names = ("business_date", "channel", "store_id", "category", "currency")
        return [dict(zip(names, group, strict=True)) | _revenue(lines) for group, lines in groups.items()]

    @cached_property
    def payment_reconciliation(self) -> list[Row]:
        orders = {(order["order_id"], order["currency"]): order for order in self._oracle.rows("orders")}
        events: dict[tuple, list[Row]] = defaultdict(list)
        for event in self._oracle.rows("payments"):
            events[event["order_id"] or UNKNOWN, event["currency"]].append(event)
        return [_reconciled(key, orders.get(key), events[key]) for key in sorted({*orders, *events})]


def _numbered(lines: list[Row]) -> list[tuple[int, Row]]:
    """Return the lines with their numbers or, if these are not unique, with their positions from 1."""
    places = range(1, len(lines) + 1)
    given = [line["line_number"] for line in lines]
    numbers = [place if number is None else number for place, number in zip(places, given, strict=True)]
    return list(zip(numbers if len(set(numbers)) == len(numbers) else places, lines, strict=True))


def _line(channel: str, sale_id: str, number: int, sale: Row, line: Row) -> Row:
    gross, discount = line["quantity"] * line["unit_price"], line["discount_amount"] or 0
    return {
        "channel": channel, "sale_id": sale_id, "line_number": number, "customer_id": sale["customer_id"],
        "product_id": line["product_id"], "quantity": line["quantity"], "unit_price": line["unit_price"],
        "gross_amount": gross, "discount_amount": discount, "net_amount": gross - discount,
        "tax_amount": line["tax_amount"] or 0, "currency": sale["currency"], "is_return": line["quantity"] < 0,
    }  # fmt: skip


def _order(order: Row) -> Row:
    """Return the row of an order; a cancelled one has amounts of 0 and no lines."""
    is_cancelled, shipping = order["status"] == "cancelled", order["shipping"] or {}
    lines = [_line("online", "", 0, order, line) for line in order["lines"] or () if not is_cancelled]
    return {
        **{name: order[name] for name in ("order_id", "ordered_at", "updated_at", "status", "customer_id")},
        "business_date": order["ordered_at"].date(), "country": (shipping.get("address") or {}).get("country"),
        "shipping_method": shipping.get("method"), "coupon_codes": order["coupon_codes"],
        "has_sold_line": any(line["quantity"] > 0 for line in lines), "line_count": len(lines),
        "unit_count": _sum(lines, "quantity"), **{name: _sum(lines, name) for name in AMOUNTS},
        "shipping_amount": 0 if is_cancelled else shipping.get("amount") or 0, "due_amount": _due(order),
        "currency": order["currency"],
    }  # fmt: skip


def _stock(snapshot: Row) -> Row:
    on_hand, reserved = snapshot["quantity_on_hand"], snapshot["quantity_reserved"]
    available = None if on_hand is None or reserved is None else on_hand - reserved
    point, cost = snapshot["reorder_point"], snapshot["unit_cost"]
    return snapshot | {
        "quantity_available": available,
        "is_below_reorder_point": None if available is None or point is None else available < point,
        "stock_value_amount": None if on_hand is None or cost is None else on_hand * cost,
    }


def _end_of(day: date) -> datetime:
    """Return the last microsecond of a day in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)


def _revenue(lines: list[Row]) -> Row:
    returned = [line for line in lines if line["quantity"] < 0]
    return {
        "order_count": len({line["sale_id"] for line in lines if line["quantity"] > 0}),
        "unit_count": _sum(lines, "quantity"),
        **{name: _sum(lines, name) for name in AMOUNTS},
        "returned_unit_count": -_sum(returned, "quantity"),
        "returned_amount": -_sum(returned, "net_amount"),
    }


def _reconciled(key: tuple, order: Row | None, events: list[Row]) -> Row:
    due = _due(order) if order else 0
    captured = _paid(events, lambda kind: kind == "captured")
    refunded = _paid(events, lambda kind: kind in ("refunded", "chargeback"))
    moments = [event["occurred_at"] for event in events]
    return {
        "order_id": key[0], "currency": key[1], "order_status": order and order["status"], "due_amount": due,
        "captured_amount": captured, "refunded_amount": refunded, "difference_amount": due - captured + refunded,
        "is_reconciled": due - captured + refunded == 0,
        "first_occurred_at": min(moments, default=None), "last_occurred_at": max(moments, default=None),
    }  # fmt: skip


def _due(order: Row) -> int:
    if order["status"] == "cancelled":
        return 0
    lines = [_line("online", "", 0, order, line) for line in order["lines"] or ()]
    return _sum(lines, "net_amount") + _sum(lines, "tax_amount") + ((order["shipping"] or {}).get("amount") or 0)


def _paid(events: list[Row], counts: Callable[[str], bool]) -> int:
    return sum(event["amount"] for event in events if counts(event["event_type"]))


def _sum(lines: list[Row], name: str) -> int:
    return sum(line[name] for line in lines)
