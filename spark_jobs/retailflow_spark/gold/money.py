"""Exact money: DECIMAL(18,4) for one line, DECIMAL(28,4) for a sum of lines. Nothing rounds; overflow is an error."""

from pyspark.sql import Column
from pyspark.sql import functions as F

LINE = "decimal(18,4)"
SUM = "decimal(28,4)"


def gross(quantity: Column, unit_price: Column) -> Column:
    """Return the amount of a line without discount; negative for a return."""
    return (quantity * unit_price).cast(LINE)


def or_zero(amount: Column) -> Column:
    """Return an optional amount of a line; null becomes 0."""
    return F.coalesce(amount, F.lit(0).cast(LINE))
