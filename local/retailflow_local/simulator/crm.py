"""The CRM's change feed: the customers who registered, changed, left or ordered on a day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from retailflow_local.simulator import people
from retailflow_local.simulator.dice import WORLD_BEGINS, Dice, midnight
from retailflow_local.simulator.orders import fates


def customers_of(dice: Dice, day: date) -> list[dict]:
    """Return the customers touched on a day, each once with its last touch, by updated_at and id.

    An order touches its customer, so even a single first day has its buyers. Most of these touches change no tracked
    column. On the world's first day every customer is in the feed.
    """
    touched: dict[str, datetime] = {}
    for customer_id, at in _touches(dice, day):
        touched[customer_id] = max(at, touched.get(customer_id, at))
    records = [people.customer(dice, customer_id, day, at) for customer_id, at in touched.items()]
    return sorted(records, key=lambda record: (record["updated_at"], record["customer_id"]))


def _touches(dice: Dice, day: date) -> Iterator[tuple[str, datetime]]:
    for customer_id in people.base_ids(dice):
        gone = people.deleted_at(dice, customer_id)
        if gone and gone.date() <= day:
            if gone.date() == day:
                yield customer_id, gone
            continue
        if day == WORLD_BEGINS:
            yield customer_id, midnight(day)
        yield from _change(dice, customer_id, day)
    for back in range(people.NEW_STAY_DAYS + 1):
        for customer_id in people.new_ids(dice, day - timedelta(days=back)):
            if back == 0:
                yield customer_id, people.created_at(dice, customer_id)
            else:
                yield from _change(dice, customer_id, day)
    for fate in fates(dice, day):
        if fate.customer_id:
            yield fate.customer_id, fate.ordered_at


def _change(dice: Dice, customer_id: str, day: date) -> Iterator[tuple[str, datetime]]:
    at = people.changed_at(dice, customer_id, day)
    if at.date() == day:
        yield customer_id, at
