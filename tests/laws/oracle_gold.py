"""GOLD in plain Python, from SILVER as the oracle has it. Amounts are whole numbers of 1/10000."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from .oracle import Oracle
from .oracle_feeds import Row

BEGINNING, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
UNKNOWN = ("unknown", BEGINNING)
ADDRESS = ("country", "region", "city", "postal_code")
CUSTOMER = (
    *("first_name", "last_name", "email", "phone", "birth_date", *ADDRESS),
    *("segment", "loyalty_tier", "marketing_consent", "is_deleted"),
)
PRODUCT = ("name", "category", "subcategory", "brand", "list_price", "unit_cost", "is_active")
AMOUNTS = ("gross_amount", "discount_amount", "net_amount", "tax_amount")


def intervals(versions: Iterable[Row], key: str, tracked: tuple[str, ...], carried: tuple[str, ...] = ()) -> list[Row]:
    """The versions of each key as half-open intervals, where a tracked column changed."""
    histories: dict[str, list[Row]] = defaultdict(list)
    for version in sorted(versions, key=lambda row: row["updated_at"]):
        history = histories[version[key]]
        if not history or any(history[-1][name] != version[name] for name in tracked):
            history.append(version)
    return [
        {name: version[name] for name in (key, *tracked, *carried)}
        | {"valid_from": version["updated_at"] if index else BEGINNING}
        | {"valid_to": history[index + 1]["updated_at"] if index + 1 < len(history) else END}
        | {"is_current": index + 1 == len(history)}
        for history in histories.values()
        for index, version in enumerate(history)
    ]


class Gold:
    """The GOLD tables of a RAW container."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def table(self, name: str) -> list[Row]:
        return getattr(self, name.removeprefix("gold."))()

    def dim_customer(self) -> list[Row]:
        versions = [_flat(record.row) for record in self._oracle.versions("customers")]
        nobody = dict.fromkeys(CUSTOMER) | {"is_deleted": False}
        return [*intervals(versions, "customer_id", CUSTOMER), _unknown("customer_id", nobody)]

    def dim_product(self) -> list[Row]:
        versions = [record.row for record in self._oracle.versions("products")]
        nothing = dict.fromkeys((*PRODUCT, "currency")) | {"name": "unknown"}
        return [*intervals(versions, "product_id", PRODUCT, ("currency",)), _unknown("product_id", nothing)]

    def fact_sales(self) -> list[Row]:
        """`customer` and `product` are the versions that held: id and beginning."""
        customers, products = _by_id(self.dim_customer(), "customer_id"), _by_id(self.dim_product(), "product_id")
        return [
            line
            | {"customer": _held(customers, line["customer_id"], line["sold_at"])}
            | {"product": _held(products, line["product_id"], line["sold_at"])}
            | {
                "awaited_count": int(line["customer_id"] not in (None, *customers))
                + (line["product_id"] not in products)
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
            # Of an ambiguous time the earlier offset; one that does not exist moves forward.
            sold_at = local.replace(tzinfo=ZoneInfo(store.get("timezone", "UTC")), fold=0).astimezone(UTC)
            closed_on: date | None = store.get("closed_on")
            yield _line("store", sale["receipt_id"], sale["line_number"], sale, sale) | {
                "sold_at": sold_at, "sold_at_local": local, "business_date": local.date(),
                "store_id": sale["store_id"] or "unknown", "register_id": sale["register_id"],
                "is_after_closing": closed_on is not None and local.date() > closed_on,
            }  # fmt: skip

    def daily_revenue_mart(self) -> list[Row]:
        categories = {
            (row["product_id"], row["valid_from"]): row["category"] or "unknown" for row in self.dim_product()
        }
        groups: dict[tuple, list[Row]] = defaultdict(list)
        for line in self.fact_sales():
            place = (line["business_date"], line["channel"], line["store_id"])
            groups[*place, categories[line["product"]], line["currency"]].append(line)
        names = ("business_date", "channel", "store_id", "category", "currency")
        return [dict(zip(names, group, strict=True)) | _revenue(lines) for group, lines in groups.items()]

    def payment_reconciliation(self) -> list[Row]:
        orders = {(order["order_id"], order["currency"]): order for order in self._oracle.rows("orders")}
        events: dict[tuple, list[Row]] = defaultdict(list)
        for event in self._oracle.rows("payments"):
            events[event["order_id"] or "unknown", event["currency"]].append(event)
        return [_reconciled(key, orders.get(key), events[key]) for key in sorted({*orders, *events})]


def _flat(customer: Row) -> Row:
    address = customer["address"] or {}
    return customer | {name: address.get(name) for name in ADDRESS} | {"is_deleted": customer["deleted_at"] is not None}


def _unknown(key: str, tracked: Row) -> Row:
    return {key: "unknown", **tracked, "valid_from": BEGINNING, "valid_to": END, "is_current": True}


def _by_id(dimension: list[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in dimension:
        found[row[key]].append(row)
    return found


def _held(dimension: dict[str, list[Row]], key: str | None, moment: datetime) -> tuple[str, datetime]:
    held = [row for row in dimension.get(key, ()) if row["valid_from"] <= moment < row["valid_to"]]
    assert len(held) <= 1, f"{key} has {len(held)} versions at {moment}"
    return (key, held[0]["valid_from"]) if held else UNKNOWN


def _numbered(lines: list[Row]) -> list[tuple[int, Row]]:
    """The lines with their numbers or, where these do not tell them apart, with their places from 1."""
    places = range(1, len(lines) + 1)
    numbers = [line["line_number"] or place for place, line in zip(places, lines, strict=True)]
    return list(zip(numbers if len(set(numbers)) == len(numbers) else places, lines, strict=True))


def _line(channel: str, sale_id: str, number: int, sale: Row, line: Row) -> Row:
    gross, discount = line["quantity"] * line["unit_price"], line["discount_amount"] or 0
    return {
        "channel": channel, "sale_id": sale_id, "line_number": number, "customer_id": sale["customer_id"],
        "product_id": line["product_id"], "quantity": line["quantity"], "unit_price": line["unit_price"],
        "gross_amount": gross, "discount_amount": discount, "net_amount": gross - discount,
        "tax_amount": line["tax_amount"] or 0, "currency": sale["currency"], "is_return": line["quantity"] < 0,
    }  # fmt: skip


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
