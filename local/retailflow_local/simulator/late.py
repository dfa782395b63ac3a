"""The records that arrive after a day was declared complete."""

from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import Decimal

from retailflow.contracts import feed_contract as contract
from retailflow_local.simulator import any_feed
from retailflow_local.simulator.dice import midnight, stamp
from retailflow_local.simulator.orders import fates, order_at
from retailflow_local.simulator.tills import sales_of
from retailflow_local.simulator.trouble import corrected
from retailflow_local.simulator.web import VISITS, browsing
from retailflow_local.simulator.world import World

_LAST_SECOND = timedelta(days=1) - timedelta(seconds=1)


def late_records(world: World, feed: str, day: date) -> list[dict]:
    """Return three records that the day has already delivered, unchanged, then missing records or newer versions.

    A world without trouble delivers the missing records only here, so a late batch always changes the tables.
    """
    records = world.records(feed, day)
    indices = world.rng("late", feed, day).sample(range(len(records)), min(6, len(records)))
    resent, changing = [records[index] for index in indices[:3]], [records[index] for index in indices[3:]]
    if feed in _NEW:
        return resent + _NEW[feed](world, day, changing)
    return resent + [any_feed.newer(contract(feed), record, day) for record in changing]


def _orders(world: World, day: date, _: list[dict]) -> list[dict]:
    return [order_at(world, fate, day) for fate in fates(world, day, beyond=3)]


def _sales(world: World, day: date, changing: list[dict]) -> list[dict]:
    return sales_of(world, day, beyond=3) + [corrected(line, revision=3) for line in changing]


def _clicks(world: World, day: date, _: list[dict]) -> list[dict]:
    beyond = world.count(VISITS)
    return [event for index in range(3) for event in browsing(world, day, beyond + index)]


def _payments(_: World, day: date, changing: list[dict]) -> list[dict]:
    """Return refunds that the provider's webhooks had lost."""
    return [
        {
            **event,
            "payment_event_id": f"{event['payment_event_id']}-L",
            "event_type": "refunded",
            "amount": "1.00",
            "recorded_at": stamp(midnight(day) + _LAST_SECOND),
        }
        for event in changing
    ]


def _newer(feed: str) -> "_New":
    """Return a function for newer versions of records: one field changes, at the day's last second."""
    moment_field = "recorded_at" if feed == "inventory" else "updated_at"

    def new(_: World, day: date, changing: list[dict]) -> list[dict]:
        at = midnight(day) + _LAST_SECOND
        moment = at.replace(tzinfo=UTC) if feed == "inventory" else stamp(at)
        return [{**record, **_CHANGE[feed](record), moment_field: moment} for record in changing]

    return new


_CHANGE: dict[str, Callable[[dict], dict]] = {
    "customers": lambda record: {"loyalty_tier": "platinum"},
    "products": lambda record: {"list_price": str(Decimal(record["list_price"]) + 1)},
    "stores": lambda record: {"postal_code": "00000"},
    "inventory": lambda record: {"quantity_on_hand": record["quantity_on_hand"] + 7},
}
_New = Callable[[World, date, list[dict]], list[dict]]
_NEW: dict[str, _New] = {
    "orders": _orders,
    "store_sales": _sales,
    "payments": _payments,
    "clickstream": _clicks,
    **{feed: _newer(feed) for feed in _CHANGE},
}
