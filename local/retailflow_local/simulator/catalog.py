"""The products: their descriptions, their prices on a day, and the changes of both."""

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

from retailflow_local.simulator.dice import WORLD_BEGINS, Dice, midnight, stamp

_CATEGORIES = {
    "Groceries": ("Coffee", "Tea", "Pasta", "Olive oil", "Chocolate"),
    "Household": ("Detergent", "Candle", "Towel", "Storage box"),
    "Kitchen": ("Pan", "Knife", "Mug", "Kettle", "Cutting board"),
    "Electronics": ("Headphones", "Charger", "Speaker", "Keyboard"),
    "Clothing": ("Shirt", "Jeans", "Jacket", "Socks", "Scarf"),
    "Sports": ("Yoga mat", "Bottle", "Dumbbell", "Racket"),
    "Toys": ("Puzzle", "Board game", "Building set", "Plush bear"),
    "Haberdashery": ("Ribbon by the metre", "Button", "Yarn", "Bead"),
}
_NAMES = tuple(_CATEGORIES)
_BRANDS = ("Nordhaus", "Casa Lua", "Brightwell", "Ateliê", "Okto", "Fjell & Co", "Meridian", "Kumo")
_CHANGES_EVERY_DAYS = 45


def product_count(dice: Dice) -> int:
    return max(12, dice.count(500))


def product_id(index: int) -> str:
    return f"P{index:05d}"


def any_product(dice: Dice, rng: Random) -> int:
    """Return the index of a product. It chooses some products far more often than others."""
    return int(product_count(dice) * rng.random() ** 2)


@lru_cache(maxsize=64)
def list_prices(dice: Dice, day: date) -> tuple[Decimal, ...]:
    """Return the list price of every product on a day, in EUR: haberdashery has four decimals, the rest two."""
    return tuple(_list_price(dice, index, day) for index in range(product_count(dice)))


def _list_price(dice: Dice, index: int, day: date) -> Decimal:
    number, _ = dice.cycle(_CHANGES_EVERY_DAYS, day, "product", index)
    cheap = index % len(_NAMES) == 7
    base = 2 + 18 * dice.unit("price", index) if cheap else 3 + 180 * dice.unit("price", index) ** 3
    today = base * (0.9 + 0.2 * dice.unit("price", index, number))
    return Decimal(round(today * 100)).scaleb(-4) if cheap else Decimal(round(today * 100)).scaleb(-2)


def products_of(dice: Dice, day: date) -> list[dict]:
    """Return the catalog at the end of a day."""
    return [_product(dice, index, price, day) for index, price in enumerate(list_prices(dice, day))]


def _product(dice: Dice, index: int, price: Decimal, day: date) -> dict:
    number, changed = dice.cycle(_CHANGES_EVERY_DAYS, day, "product", index)
    ends = WORLD_BEGINS + timedelta(days=int(3000 * dice.unit("ends", index)))
    is_active = day < ends or ends.year > 2026
    category = _NAMES[index % len(_NAMES)]
    subcategory = dice.pick(_CATEGORIES[category], "subcategory", index)
    brand = dice.pick(_BRANDS, "brand", index)
    edition = number // 6 % 100
    at = midnight(changed if is_active else max(changed, ends)) + timedelta(hours=3, seconds=index)
    return {
        "product_id": product_id(index),
        "name": f"{brand} {subcategory} {index}.{edition}",
        "category": category,
        "subcategory": subcategory,
        "brand": brand,
        "list_price": str(price),
        "unit_cost": str(unit_cost(price)),
        "currency": "EUR",
        "is_active": is_active,
        "updated_at": stamp(at),
    }


def unit_cost(price: Decimal) -> Decimal:
    return (price * Decimal("0.58")).quantize(Decimal("0.0001"))
