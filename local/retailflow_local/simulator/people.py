"""The customers and their state on a day. Each changes one attribute every sixty days; a few are deleted."""

from datetime import date, datetime, timedelta
from random import Random

from retailflow_local.simulator.dice import WORLD_BEGINS, Dice, moment, stamp
from retailflow_local.simulator.places import PLACES, UNKNOWN_ADDRESS, currency_of

_FIRST = ("Ana", "Jürgen", "Inês", "Mary", "Søren", "Chloé", "Luca", "Yuki", "Olivia", "Pablo", "Zoë", "Tomás")
_LAST = ("Müller", "García", "Silva", "O'Brien", "Rossi", "Dubois", "de Vries", "Tanaka", "Smith", "Núñez", "Weiß")
_TIERS = (None, "bronze", "silver", "gold")
_SEGMENTS = ("consumer", "family", "student", "small_business")
_CHANGING = ("address", "loyalty_tier", "email", "phone", "segment", "marketing_consent", "last_name")
_CHANGES_EVERY_DAYS = 60
NEW_STAY_DAYS = 30


def base_ids(dice: Dice) -> list[str]:
    return [_base_id(index) for index in range(dice.count(5000))]


def new_ids(dice: Dice, day: date) -> list[str]:
    """Return the ids of the customers who registered on a day."""
    return [_new_id(day, index) for index in range(dice.count(25))]


def _new_id(day: date, index: int) -> str:
    return f"C{day:%Y%m%d}-{index:04d}"


def _base_id(index: int) -> str:
    return f"C{index:07d}"


def created_at(dice: Dice, customer_id: str) -> datetime:
    born, _, suffix = customer_id[1:].partition("-")
    share = dice.unit("created", customer_id)
    if suffix:
        return moment(date(int(born[:4]), int(born[4:6]), int(born[6:])), share)
    return moment(date(2010, 1, 1) + timedelta(days=int(share * 2000)), share)


def deleted_at(dice: Dice, customer_id: str) -> datetime | None:
    """Return when the customer asked to be forgotten: one in thirty of the old ones does, in the first year."""
    if "-" in customer_id:
        return None
    share = dice.unit("deleted", customer_id)
    return moment(WORLD_BEGINS + timedelta(days=1 + int(share * 30 * 365)), share) if share < 1 / 30 else None


def someone(dice: Dice, rng: Random, day: date) -> str | None:
    """Return a customer who may shop on that day, or None for a guest."""
    chance = rng.random()
    if chance < 0.05:
        return None
    if chance < 0.15:
        registered_on = day - timedelta(days=1 + int(rng.random() * NEW_STAY_DAYS))
        return _new_id(registered_on, int(rng.random() * dice.count(25)))
    customer_id = _base_id(int(rng.random() * dice.count(5000)))
    gone = deleted_at(dice, customer_id)
    return None if gone and gone.date() <= day else customer_id


def changed_at(dice: Dice, customer_id: str, day: date) -> datetime:
    """Return when a tracked column last changed, as of the end of a day."""
    number, changed_on = dice.cycle(_CHANGES_EVERY_DAYS, day, customer_id)
    return moment(changed_on, dice.unit("changed", customer_id, number))


def address(dice: Dice, customer_id: str, day: date) -> dict:
    return _address(dice, customer_id, _generation(dice, customer_id, "address", day))


def currency(dice: Dice, customer_id: str) -> str:
    """Return the customer's currency, which never changes: people move only within their country."""
    return currency_of(_address(dice, customer_id, 0)["country"])


def customer(dice: Dice, customer_id: str, day: date, updated_at: datetime) -> dict:
    """Return the CRM's record at the end of a day."""
    generation = {name: _generation(dice, customer_id, name, day) for name in _CHANGING}
    first = dice.pick(_FIRST, "first_name", customer_id)
    last = dice.pick(_LAST, "last_name", customer_id, generation["last_name"])
    gone = deleted_at(dice, customer_id)
    phone = dice.number("phone", customer_id, generation["phone"])
    tracked = dice.number("start", customer_id)
    return {
        "customer_id": customer_id,
        "first_name": first,
        "last_name": last,
        "email": f"{customer_id.lower()}.{generation['email']}@example.com",
        "phone": f"+49 30 {phone % 10**8:08d}" if phone % 5 else None,
        "birth_date": (date(1940, 1, 1) + timedelta(days=tracked % 25_000)).isoformat() if tracked % 7 else None,
        "address": _address(dice, customer_id, generation["address"]),
        "segment": _SEGMENTS[(tracked + generation["segment"]) % len(_SEGMENTS)],
        "loyalty_tier": _TIERS[(tracked + generation["loyalty_tier"]) % len(_TIERS)],
        "marketing_consent": (tracked + generation["marketing_consent"]) % 2 == 0,
        "created_at": stamp(created_at(dice, customer_id)),
        "updated_at": stamp(updated_at),
        "deleted_at": stamp(gone) if gone and gone.date() <= day else None,
    }


def _generation(dice: Dice, customer_id: str, name: str, day: date) -> int:
    """Return how often one attribute has changed. A customer's attributes change in turn."""
    number, _ = dice.cycle(_CHANGES_EVERY_DAYS, day, customer_id)
    return (number + dice.number("start", customer_id) - _CHANGING.index(name)) // len(_CHANGING) % 1000


def _address(dice: Dice, customer_id: str, generation: int) -> dict:
    home = dice.unit("home", customer_id)
    if home < 0.005:
        return UNKNOWN_ADDRESS
    # Most customers live in the euro area, which comes first.
    place = PLACES[int(home**1.3 * len(PLACES))]
    street = dice.number("street", customer_id, generation) % 90
    return {**place.address(), "postal_code": f"{place.postal_code[:-2]}{street + 10}"}
