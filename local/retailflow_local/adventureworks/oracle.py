"""Compute the revenue of the public files with DuckDB, from the CSV alone, and compare the mart with it.

This module shares no code with the converter or the jobs, so it is an independent second opinion.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb

_LINES = """
    CREATE TABLE lines AS
    SELECT strptime(OrderDate, '%m/%d/%Y')::DATE AS business_date,
           OrderNumber || '-' || CustomerKey AS order_id,
           coalesce(category, 'unknown') AS category,
           CASE WHEN regexp_full_match(OrderQuantity, '-?[0-9]+') AND ProductPrice IS NOT NULL
                THEN OrderQuantity::DECIMAL(9, 0) ELSE 0 END AS unit_count,
           unit_count * coalesce(ProductPrice, 0) AS net_amount
    FROM read_csv($sales, all_varchar = true, header = true)
    LEFT JOIN products USING (ProductKey)
    WHERE business_date BETWEEN $start AND $end
"""
_PRODUCTS = """
    CREATE TABLE products AS
    SELECT ProductKey, TRY_CAST(ProductPrice AS DECIMAL(28, 10)) AS ProductPrice,
           coalesce(category, 'unknown') AS category
    FROM read_csv($products, all_varchar = true, header = true)
    LEFT JOIN subcategories USING (ProductSubcategoryKey)
"""
_SUBCATEGORIES = """
    CREATE TABLE subcategories AS
    SELECT ProductSubcategoryID AS ProductSubcategoryKey, c.Name AS category
    FROM read_csv($subcategories, all_varchar = true, header = true)
    JOIN read_csv($categories, all_varchar = true, header = true) AS c USING (ProductCategoryID)
"""


@dataclass(frozen=True)
class Amounts:
    """`order_count` counts an order once in each of its categories, so it does not add up over categories."""

    order_count: int = 0
    unit_count: int = 0
    net_amount: Decimal = Decimal("0.0000")

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.order_count + other.order_count,
            self.unit_count + other.unit_count,
            self.net_amount + other.net_amount,
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        return self + Amounts(-other.order_count, -other.unit_count, -other.net_amount)


Key = tuple[date, str]  # business_date, category


@dataclass(frozen=True)
class Source:
    """The totals of the source. A line without a readable quantity and price counts as a line, with amount zero."""

    amounts: dict[Key, Amounts]
    order_count: int
    line_count: int
    category_of: dict[str, str] = field(default_factory=dict)  # by ProductKey

    @property
    def total(self) -> Amounts:
        return sum(self.amounts.values(), Amounts())


@dataclass(frozen=True)
class Compared:
    """One line of the comparison; both keys are None in the total."""

    business_date: date | None
    category: str | None
    source: Amounts
    mart: Amounts
    quarantined: Amounts

    @property
    def difference(self) -> Amounts:
        """The amounts that are neither in the mart nor in quarantine. Each of them must be zero."""
        return self.source - self.mart - self.quarantined


@dataclass(frozen=True)
class Comparison:
    rows: list[Compared]
    total: Compared

    @property
    def is_exact(self) -> bool:
        return all(row.difference == Amounts() for row in self.rows)


def source_totals(folder: Path, start: date, end: date) -> Source:
    """Return the revenue of `adventureworks_sales` by date and category, exact to the last digit.

    Both dates are included. Categories come from the sibling `adventureworks_oltp`; a product without a category is
    `unknown`, as in the mart.

    Raises:
        duckdb.Error: a file is missing, or an OrderDate is not a date.
    """
    oltp = folder.resolve().parent / "adventureworks_oltp"
    with duckdb.connect() as db:
        if oltp.is_dir():
            names = {"subcategories": "ProductSubcategory", "categories": "ProductCategory"}
            db.execute(_SUBCATEGORIES, {key: str(oltp / f"{name}.csv") for key, name in names.items()})
        else:
            db.execute("CREATE TABLE subcategories (ProductSubcategoryKey VARCHAR, category VARCHAR)")
        db.execute(_PRODUCTS, {"products": str(folder / "AdventureWorks_Products.csv")})
        db.execute(_LINES, {"sales": str(folder / "AdventureWorks_Sales_*.csv"), "start": start, "end": end})
        rows = db.execute(
            "SELECT business_date, category, count(DISTINCT order_id), sum(unit_count)::BIGINT, sum(net_amount)"
            " FROM lines GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        order_count, line_count = db.execute("SELECT count(DISTINCT order_id), count(*) FROM lines").fetchall()[0]
        category_of = dict(db.execute("SELECT ProductKey, category FROM products").fetchall())
    amounts = {(day, category): Amounts(orders, units, _short(net)) for day, category, orders, units, net in rows}
    return Source(amounts, order_count, line_count, category_of)


def compare(
    mart_rows: Iterable[Mapping[str, Any]], quarantined_orders: Iterable[Mapping[str, Any]], source: Source
) -> Comparison:
    """Compare mart and quarantine with the source, by date and category and in total.

    Args:
        mart_rows: business_date, category, order_count, unit_count, net_amount of `daily_revenue_mart`.
        quarantined_orders: the orders in quarantine, each once. `lines` is a list, as in RAW, or JSON text, as in the
            column `record` of `quarantine.orders`.
    """
    mart: dict[Key, Amounts] = defaultdict(Amounts)
    for row in mart_rows:
        mart[row["business_date"], row["category"]] += Amounts(
            row["order_count"], row["unit_count"], Decimal(row["net_amount"])
        )
    quarantined: dict[Key, Amounts] = defaultdict(Amounts)
    for order in quarantined_orders:
        day = date.fromisoformat(order["ordered_at"][:10])
        categories = set()
        for line in json.loads(order["lines"]) if isinstance(order["lines"], str) else order["lines"]:
            category = source.category_of.get(line["product_id"], "unknown")
            units, net = _readable(line)
            quarantined[day, category] += Amounts(int(category not in categories), units, net)
            categories.add(category)
    keys = sorted({*source.amounts, *mart, *quarantined})
    rows = [
        Compared(*key, source.amounts.get(key, Amounts()), mart.get(key, Amounts()), quarantined.get(key, Amounts()))
        for key in keys
    ]
    total = Compared(
        None,
        None,
        sum((row.source for row in rows), Amounts()),
        sum((row.mart for row in rows), Amounts()),
        sum((row.quarantined for row in rows), Amounts()),
    )
    return Comparison(rows, total)


def _short(amount: Decimal) -> Decimal:
    """Return the amount with four decimals, or with more if it needs more."""
    four = amount.quantize(Decimal("0.0001"))
    return four if four == amount else amount


def _readable(line: Mapping[str, Any]) -> tuple[int, Decimal]:
    try:
        units, price = int(line["quantity"]), Decimal(line["unit_price"])
    except (TypeError, ValueError, InvalidOperation):
        return 0, Decimal(0)
    return units, units * price
