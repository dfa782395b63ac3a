"""The warehouse system's snapshot: the stock of each store at the end of a day."""

from datetime import UTC, date, timedelta
from decimal import Decimal

from retailflow_local.simulator.catalog import list_prices, product_count, product_id, unit_cost
from retailflow_local.simulator.dice import Dice, midnight
from retailflow_local.simulator.shops import SHOPS, WAREHOUSE, is_trading


def inventory_of(dice: Dice, day: date) -> list[dict]:
    """Return one row per store and product that it sells. Values have the types of the Parquet columns.

    Stock falls between deliveries, which come every seven days. A few quantities are negative: tills sold more than
    the books contain.
    """
    prices = list_prices(dice, day)
    rows = []
    for store_id, _ in (*SHOPS, WAREHOUSE):
        if not is_trading(store_id, day):
            continue
        carried = dice.rng("carried", store_id).sample(range(len(prices)), min(product_count(dice), dice.count(238)))
        rng = dice.rng("stock", day, store_id)
        for position, index in enumerate(sorted(carried)):
            _, delivered_on = dice.cycle(7, day, store_id, index)
            on_hand = 60 - 8 * (day - delivered_on).days + rng.randint(-5, 5)
            rows.append(
                {
                    "store_id": store_id,
                    "product_id": product_id(index),
                    "snapshot_date": day,
                    "quantity_on_hand": -rng.randint(1, 3) if rng.random() < 0.002 else on_hand,
                    "quantity_reserved": rng.randint(0, 3),
                    "quantity_on_order": 60 if on_hand < 20 else 0,
                    "reorder_point": 20,
                    "unit_cost": unit_cost(Decimal(prices[index])),
                    "recorded_at": midnight(day).replace(tzinfo=UTC) + timedelta(hours=22, milliseconds=position),
                }
            )
    return rows
