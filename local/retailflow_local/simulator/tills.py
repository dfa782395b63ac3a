"""The tills' receipts. A shop's file comes once its business day has ended; delivery days are in UTC."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from retailflow_local.simulator import people
from retailflow_local.simulator.basket import returned, sold_line
from retailflow_local.simulator.dice import Dice
from retailflow_local.simulator.places import Place, currency_of
from retailflow_local.simulator.shops import OPEN_ALL_NIGHT, SHOPS, is_trading


def trading_shops(day: date) -> list[str]:
    """Return the shops that deliver a file on a day, with or without receipts."""
    return [store_id for store_id, place in SHOPS if is_trading(store_id, _business_day(place, day))]


def _business_day(place: Place, day: date) -> date:
    """Return the shop's day in our delivery. West of Greenwich the day ends later, so it comes with the next."""
    offset = datetime.combine(day, time(12), ZoneInfo(place.timezone)).utcoffset()
    return day - timedelta(days=1) if offset and offset < timedelta(0) else day


def sales_of(dice: Dice, day: date, *, beyond: int = 0) -> list[dict]:
    """Return the lines delivered on a day, by store and receipt; with `beyond`, so many receipts of offline tills."""
    rng = dice.rng("tills", day, beyond)
    first = 900_000 if beyond else 0
    lines = []
    for number in range(first, first + (beyond or dice.count(1800))):
        store_id, place = SHOPS[int(rng.random() * len(SHOPS))]
        business_day = _business_day(place, day)
        if is_trading(store_id, business_day):
            lines += _receipt(dice, rng, f"R{day:%Y%m%d}-{number:06d}", store_id, place, business_day)
    return sorted(lines, key=lambda line: (line["store_id"], line["receipt_id"], line["line_number"]))


def _receipt(dice: Dice, rng: Random, receipt_id: str, store_id: str, place: Place, day: date) -> list[dict]:
    opens, closes = (0, 24) if store_id in OPEN_ALL_NIGHT else (9, 21)
    sold_at = datetime.combine(day, time()) + timedelta(seconds=int(3600 * (opens + (closes - opens) * rng.random())))
    currency = currency_of(place.country)
    discount = Decimal("0.2") if rng.random() < 0.1 else Decimal(0)
    give_back = rng.random() < 0.03
    common = {
        "receipt_id": receipt_id,
        "revision": 1,
        "store_id": store_id,
        "register_id": f"{store_id}-{rng.randint(1, 4)}",
        "sold_at_local": sold_at.isoformat(),
        "currency": currency,
        "tender_type": rng.choice(("card", "card", "cash", "voucher")),
        "customer_id": people.someone(dice, rng, day) if rng.random() < 0.35 else None,
    }
    lines = []
    for number in range(1, rng.choice((1, 2, 2, 3, 3, 3, 4, 6)) + 1):
        line = sold_line(dice, rng, day, currency, place.country, discount)
        lines.append({**common, "line_number": number, **(returned(line) if give_back else line)})
    return lines
