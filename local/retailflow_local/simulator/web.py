"""The web collector's events: visits that only browse, and visits that end in an order."""

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

import xxhash

from retailflow_local.simulator import people
from retailflow_local.simulator.catalog import any_product, product_id
from retailflow_local.simulator.dice import Dice, midnight, moment, stamp
from retailflow_local.simulator.orders import fates, order_at

_DEVICES = (
    {"type": "mobile", "os": "Android", "browser": "Chrome"},
    {"type": "mobile", "os": "iOS", "browser": "Safari"},
    {"type": "desktop", "os": "Windows", "browser": "Edge"},
    {"type": "desktop", "os": "macOS", "browser": "Safari"},
    {"type": "tablet", "os": "iPadOS", "browser": "Safari"},
)
_UTM = (
    {"source": "google", "medium": "cpc", "campaign": "winter"},
    {"source": "newsletter", "medium": "email", "campaign": "weekly"},
    {"source": None, "medium": None, "campaign": None},
)
VISITS = 7600  # without a purchase, per day at scale 1
_SHOP = "https://shop.example.com"
# Visits after this share of a day begin after 22:00 and may continue into the next day. The others last at most 63
# minutes and do not.
_EVENING = 0.95
_LAST_MILLISECOND = timedelta(days=1) - timedelta(milliseconds=1)


def clicks_of(dice: Dice, day: date) -> list[dict]:
    """Return the events received on a day, by received_at and id."""
    events: list[dict] = []
    count = dice.count(VISITS)
    evening = int(count * _EVENING)
    for index in range(evening):
        events += browsing(dice, day, index)
    today = day.isoformat()
    for started_on in (day - timedelta(days=1), day):
        for index in range(evening, count):
            events += [event for event in browsing(dice, started_on, index) if event["received_at"].startswith(today)]
    for visit in _buying(dice, day):
        events += visit
    events.sort(key=lambda event: (event["received_at"], event["event_id"]))
    return events


def browsing(dice: Dice, day: date, index: int) -> list[dict]:
    """Return a visit without a purchase. Visits begin in the order of their index, so an extra one begins late."""
    rng = dice.rng("visit", day, index)
    at = moment(day, min((index + rng.random()) / dice.count(VISITS), 0.9999))
    customer_id = people.someone(dice, rng, day) if rng.random() < 0.25 else None
    visit = _Visit(dice, rng, f"{day}-v{index}", customer_id)
    product = None
    pauses_after = rng.randint(1, 30) if visit.session_id is None else 0
    visit.add(at, "page_view", "/")
    for step in range(min(int(-5.2 * math.log(1 - rng.random())), 13)):
        at += timedelta(milliseconds=int(3_000 + 120_000 * rng.random()))
        if step + 1 == pauses_after:
            at += timedelta(minutes=35)  # without a session id, this begins a new session
        chance = rng.random()
        if product and chance < 0.15:
            visit.add(at, "add_to_cart" if chance < 0.12 else "remove_from_cart", f"/p/{product}", product)
        elif chance < 0.65:
            product = product_id(any_product(dice, rng))
            visit.add(at, "product_view", f"/p/{product}", product)
        elif chance < 0.8:
            visit.add(at, "search", f"/search?q={int(chance * 1000)}")
        else:
            visit.add(at, "page_view", f"/c/{int(rng.random() * 8)}")
    return visit.events


def _buying(dice: Dice, day: date) -> Iterator[list[dict]]:
    """Yield the visits that ended in the day's orders. Three in ten orders came by telephone, without a visit."""
    for fate in fates(dice, day):
        if fate.is_return_only or dice.unit("telephone", fate.order_id) < 0.3:
            continue
        rng = dice.rng("buy", fate.order_id)
        visit = _Visit(dice, rng, f"{day}-{fate.order_id}", fate.customer_id)
        products = [line["product_id"] for line in order_at(dice, fate, day)["lines"] if line["quantity"] > 0][:3]
        steps = [("page_view", "/", None)]
        for product in products:
            steps += [("product_view", f"/p/{product}", product), ("add_to_cart", f"/p/{product}", product)]
        steps.append(("checkout", "/checkout", None))
        # An order just after midnight is placed quickly, so that its visit stays within the day.
        pause = min(timedelta(seconds=40), (fate.ordered_at - midnight(day)) / (len(steps) + 1))
        for number, (kind, url, product) in enumerate(steps):
            visit.add(fate.ordered_at - pause * (len(steps) - number), kind, url, product)
        visit.add(fate.ordered_at, "purchase", "/thanks", None, fate.order_id)
        yield visit.events


class _Visit:
    """Builds the events of one visit, which share one object for the device and one for the campaign.

    The visit's name begins with its day, and so does its session id, as with a collector whose ids are in time order.
    """

    def __init__(self, dice: Dice, rng: Random, name: str, customer_id: str | None) -> None:
        self._rng = rng
        self._name = f"{dice.seed}-{name}"
        visitor = customer_id or int(rng.random() * dice.count(40_000))
        self.anonymous_id = f"{dice.number('visitor', visitor):016x}"
        self.session_id = f"s-{name}" if rng.random() < 0.9 else None
        self.customer_id = customer_id
        self.device = rng.choice(_DEVICES)
        self.utm = rng.choice(_UTM)
        self.events: list[dict] = []

    def add(self, at: datetime, kind: str, url: str, product: str | None = None, order_id: str | None = None) -> None:
        received = at + timedelta(milliseconds=int(100 + 4000 * self._rng.random()))
        if order_id or kind == "checkout":
            received = min(received, midnight(at.date()) + _LAST_MILLISECOND)
        self.events.append(
            {
                "event_id": xxhash.xxh3_128_hexdigest(f"{self._name}-{len(self.events)}".encode()),
                "occurred_at": stamp(at),
                "received_at": stamp(received),
                "anonymous_id": self.anonymous_id,
                "session_id": self.session_id,
                "customer_id": self.customer_id,
                "event_type": kind,
                "page_url": _SHOP + url,
                "product_id": product,
                "order_id": order_id,
                "device": self.device,
                "utm": self.utm,
            }
        )
