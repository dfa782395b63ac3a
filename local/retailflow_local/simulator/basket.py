"""One line of a sale, for the tills and the web shop."""

from datetime import date
from decimal import Decimal
from random import Random

from retailflow_local.simulator.catalog import any_product, list_prices, product_id
from retailflow_local.simulator.dice import Dice
from retailflow_local.simulator.places import PER_EURO, TAX_RATE, smallest_unit

_AMOUNTS = ("discount_amount", "tax_amount")


def sold_line(dice: Dice, rng: Random, day: date, currency: str, country: str, discount: Decimal) -> dict:
    """Return a line with a positive quantity. `discount` is a share of the gross; tax is added to the net.

    Amounts are decimal strings with at most four decimals. American tax has four decimals, and one line in a hundred
    is a gift with price 0.
    """
    index = any_product(dice, rng)
    price = Decimal("0.00") if rng.random() < 0.01 else list_prices(dice, day)[index]
    step = smallest_unit(currency)
    unit_price = (price * PER_EURO[currency]).quantize(step if currency == "JPY" else price)
    quantity = rng.choices((1, 2, 3, 4, 12), (70, 18, 7, 4, 1))[0]
    gross = unit_price * quantity
    discount_amount = (gross * discount).quantize(step)
    tax_step = Decimal("0.0001") if country == "US" else step
    return {
        "product_id": product_id(index),
        "quantity": quantity,
        "unit_price": str(unit_price),
        "discount_amount": str(discount_amount),
        "tax_amount": str(((gross - discount_amount) * TAX_RATE[country]).quantize(tax_step)),
    }


def returned(line: dict) -> dict:
    """Return the line as a return: quantity, discount and tax change their sign, the unit price does not."""
    return {**line, "quantity": -line["quantity"], **{name: str(-Decimal(line[name])) for name in _AMOUNTS}}


def due(lines: list[dict]) -> Decimal:
    """Return the sum of net and tax of the lines."""
    return sum((_due(line) for line in lines), Decimal(0))


def _due(line: dict) -> Decimal:
    net = line["quantity"] * Decimal(line["unit_price"]) - Decimal(line["discount_amount"])
    return net + Decimal(line["tax_amount"])
