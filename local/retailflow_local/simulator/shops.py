"""The shops and the warehouse."""

from datetime import date, timedelta

from retailflow_local.simulator.dice import WORLD_BEGINS, Dice, midnight, stamp
from retailflow_local.simulator.places import PLACES, Place

SHOPS = tuple((f"store_{number:03d}", place) for number, place in enumerate(PLACES, start=1))
WAREHOUSE = ("store_900", PLACES[3])
CLOSING = "store_009"
CLOSED_ON = WORLD_BEGINS + timedelta(days=45)
_CLOSURE_KNOWN_ON = CLOSED_ON - timedelta(days=14)
# These shops have some sales in the hours that clocks repeat or skip.
OPEN_ALL_NIGHT = frozenset({"store_001", "store_017"})


def is_trading(store_id: str, day: date) -> bool:
    """Return whether a shop has receipts on a day. The closing shop still sells off and takes returns for two days."""
    return store_id != CLOSING or day <= CLOSED_ON + timedelta(days=2)


def stores_of(dice: Dice, day: date) -> list[dict]:
    shops = [_store(dice, store_id, "shop", place, day) for store_id, place in SHOPS]
    return [*shops, _store(dice, WAREHOUSE[0], "warehouse", WAREHOUSE[1], day)]


def _store(dice: Dice, store_id: str, store_type: str, place: Place, day: date) -> dict:
    closes = store_id == CLOSING and day >= _CLOSURE_KNOWN_ON
    years = dice.number("opened", store_id) % 20
    opened_on = date(1990 + years, 3, 1)
    updated_on = _CLOSURE_KNOWN_ON if closes else date(2015, 6, 1 + years)
    return {
        "store_id": store_id,
        "store_type": store_type,
        "name": f"RetailFlow {place.city}" if store_type == "shop" else f"Distribution centre, {place.city}",
        **place.address(),
        "timezone": place.timezone,
        "opened_on": opened_on.isoformat(),
        "closed_on": CLOSED_ON.isoformat() if closes else None,
        "updated_at": stamp(midnight(updated_on) + timedelta(hours=9)),
    }
