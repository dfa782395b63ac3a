"""The web shop's orders. An order's fate is decided when it is placed; a day's feed shows the part until that day."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from retailflow_local.simulator import people
from retailflow_local.simulator.basket import returned, sold_line
from retailflow_local.simulator.dice import Dice, moment, stamp
from retailflow_local.simulator.places import PER_EURO, PLACES, currency_of, smallest_unit

LOOK_BACK_DAYS = 10


class Fate(NamedTuple):
    """The future of an order. It is cheap to draw, so that a day's feed can look through ten days of orders."""

    order_id: str
    placed_on: date
    customer_id: str | None
    steps: tuple[tuple[str, datetime], ...]  # (status, when), in order

    @property
    def ordered_at(self) -> datetime:
        return self.steps[0][1]

    @property
    def is_return_only(self) -> bool:
        """True for a return that is an order of its own: all its lines are negative."""
        return self.steps[0][0] == "returned"

    def when(self, status: str) -> datetime | None:
        return next((at for name, at in self.steps if name == status), None)


@lru_cache(maxsize=LOOK_BACK_DAYS + 4)
def fates(dice: Dice, placed_on: date, *, beyond: int = 0) -> tuple[Fate, ...]:
    """Return the orders placed on a day or, with `beyond`, so many others that the day's feed does not have."""
    count = dice.count(2000)
    indices = range(count, count + beyond) if beyond else range(count)
    return tuple(_fate(dice, placed_on, f"O{placed_on:%Y%m%d}-{index:06d}") for index in indices)


def _fate(dice: Dice, placed_on: date, order_id: str) -> Fate:
    rng = dice.rng("fate", order_id)
    placed = moment(placed_on, rng.random())
    customer_id = people.someone(dice, rng, placed_on)
    kind = rng.random()
    if kind < 0.01:
        return Fate(order_id, placed_on, customer_id, (("returned", placed),))
    paid = placed + timedelta(seconds=30 + int(1770 * rng.random()))
    if kind < 0.05:
        cancelled = placed + timedelta(hours=1 + 30 * rng.random())
        return Fate(order_id, placed_on, customer_id, (("placed", placed), ("cancelled", cancelled)))
    shipped = paid + timedelta(days=0.3 + 2 * rng.random())
    delivered = shipped + timedelta(days=0.8 + 3 * rng.random())
    steps = [("placed", placed), ("paid", paid), ("shipped", shipped), ("delivered", delivered)]
    if kind > 0.93:
        steps.append(("returned", delivered + timedelta(days=0.5 + 3 * rng.random())))
    return Fate(order_id, placed_on, customer_id, tuple(steps))


def orders_of(dice: Dice, day: date) -> list[dict]:
    """Return the orders that changed on a day, each complete as of the day's end, by updated_at and id."""
    days = [day - timedelta(days=back) for back in range(LOOK_BACK_DAYS + 1)]
    changed = [
        order_at(dice, fate, day)
        for placed_on in days
        for fate in fates(dice, placed_on)
        if any(at.date() == day for _, at in fate.steps)
    ]
    return sorted(changed, key=lambda order: (order["updated_at"], order["order_id"]))


def order_at(dice: Dice, fate: Fate, day: date) -> dict:
    """Return an order as of the end of a day, which is not before the day on which it was placed."""
    rng = dice.rng("order", fate.order_id)
    if fate.customer_id:
        address = people.address(dice, fate.customer_id, fate.placed_on)
    else:
        address = rng.choice(PLACES[:14]).address()
    currency = currency_of(address["country"])
    discount = Decimal("0.1") if rng.random() < 0.15 else Decimal(0)
    sold = [
        sold_line(dice, rng, fate.placed_on, currency, address["country"], discount)
        for _ in range(rng.choices((1, 2, 3, 4, 6), (40, 30, 17, 10, 3))[0])
    ]
    status, updated_at = [step for step in fate.steps if step[1].date() <= day][-1]
    kept_back = rng.randint(1, len(sold))
    if fate.is_return_only:
        lines = [returned(line) for line in sold]
    else:
        lines = sold + ([returned(line) for line in sold[:kept_back]] if status == "returned" else [])
    shipping = Decimal(0) if fate.is_return_only or rng.random() < 0.4 else Decimal("4.90")
    return {
        "order_id": fate.order_id,
        "customer_id": fate.customer_id,
        "ordered_at": stamp(fate.ordered_at),
        "updated_at": stamp(updated_at),
        "status": status,
        "currency": currency,
        "shipping": {
            "amount": str((shipping * PER_EURO[currency]).quantize(smallest_unit(currency))),
            "method": rng.choice(("standard", "express", "pickup")),
            "address": address,
        },
        "coupon_codes": ["WELCOME10"] if discount else [],
        "lines": [{"line_number": number, **line} for number, line in enumerate(lines, start=1)],
    }
