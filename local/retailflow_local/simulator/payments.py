"""The payment provider's events for the web shop's orders. A few do not reconcile, as in reality."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from retailflow_local.simulator.basket import due
from retailflow_local.simulator.dice import Dice
from retailflow_local.simulator.orders import LOOK_BACK_DAYS, Fate, fates, order_at

_METHODS = (("card", "stripe"), ("card", "adyen"), ("paypal", "paypal"), ("klarna", "klarna"), ("sepa", "adyen"))


def payments_of(dice: Dice, day: date) -> list[dict]:
    """Return the events recorded on a day, by recorded_at and id. Amounts are positive decimal strings."""
    found = []
    for back in range(LOOK_BACK_DAYS + 2):
        for fate in fates(dice, day - timedelta(days=back)):
            steps = _steps(dice, fate)
            if any(recorded.date() == day for _, _, recorded in steps):
                found += [event for event in _events(dice, fate, steps) if event["recorded_at"][:10] == str(day)]
    return sorted(found, key=lambda event: (event["recorded_at"], event["payment_event_id"]))


def _steps(dice: Dice, fate: Fate) -> list[tuple[str, datetime, datetime]]:
    """Return (event type, occurred, recorded) for each event in the life of an order."""
    fault = dice.unit("fault", fate.order_id)
    steps: list[tuple[str, datetime]] = []
    if not fate.is_return_only:
        steps.append(("authorized", fate.ordered_at + timedelta(seconds=5)))
    if cancelled := fate.when("cancelled"):
        steps.append(("voided", cancelled + timedelta(seconds=40)))
    if (paid := fate.when("paid")) and fault >= 0.002:
        steps.append(("captured", paid))
        if fault < 0.005:
            steps.append(("captured", paid + timedelta(minutes=3)))  # captured twice
        elif fault > 0.996:
            steps.append(("chargeback", paid + timedelta(days=3 + 4 * dice.unit("chargeback", fate.order_id))))
    if back := fate.when("returned"):
        steps.append(("refunded", back + timedelta(hours=20 * dice.unit("refund", fate.order_id))))
    wait = timedelta(milliseconds=200 + int(90_000 * dice.unit("wait", fate.order_id)))
    return [(kind, at, at + wait) for kind, at in steps]


def _events(dice: Dice, fate: Fate, steps: list[tuple[str, datetime, datetime]]) -> Iterator[dict]:
    order = order_at(dice, fate, date.max)
    sold = [line for line in order["lines"] if line["quantity"] > 0]
    given_back = [line for line in order["lines"] if line["quantity"] < 0]
    charged = due(sold) + Decimal(order["shipping"]["amount"])
    short = Decimal(1) if dice.unit("short", fate.order_id) < 0.004 else Decimal(0)
    amounts = {"captured": charged - short, "refunded": -due(given_back)}
    method, provider = dice.pick(_METHODS, "method", fate.order_id)
    for number, (kind, occurred, recorded) in enumerate(steps, start=1):
        amount = amounts.get(kind, charged)
        if amount > 0:
            yield {
                "payment_event_id": f"E{fate.order_id[1:]}-{number}",
                "payment_id": f"P{fate.order_id[1:]}",
                "order_id": fate.order_id,
                "event_type": kind,
                "amount": str(amount),
                "currency": order["currency"],
                "method": method,
                "provider": provider,
                "occurred_at": _stamp(occurred),
                "recorded_at": _stamp(recorded),
            }


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds") + "+00:00"
