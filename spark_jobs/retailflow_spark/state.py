"""GOLD as a publication would leave it, and where it differs from what readers see."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import gold_table
from retailflow_spark.balance import open_dates
from retailflow_spark.gold.fact_web_sessions import STREAM, since, with_visitor
from retailflow_spark.gold.payment_reconciliation import of_some_order
from retailflow_spark.gold.scope import in_range
from retailflow_spark.tables import Tables, having

DIMENSIONS = {"customer_sk": "gold.dim_customer", "product_sk": "gold.dim_product"}


@dataclass(frozen=True)
class Source:
    """A table of SILVER in which a key must have one date, and how rows of GOLD name the rows that they are made of."""

    name: str
    columns: Mapping[str, str]  # each as SQL over the rows of GOLD; the source is read by the range of the last
    taken_in: Callable[[DataFrame], DataFrame] = lambda rows: rows
    in_time: Callable[[date], Column] | None = None  # of rows without the last, by GOLD's first date

    @property
    def ranged(self) -> str:
        return list(self.columns)[-1]


SOURCES = {
    "gold.fact_orders": (Source("silver.orders", {"order_id": "order_id"}),),
    "gold.fact_sales": (
        Source("silver.orders", {"order_id": "IF(channel = 'online', sale_id, NULL)"}),
        Source("silver.store_sales", {"receipt_id": "IF(channel = 'store', sale_id, NULL)"}),
    ),
    "gold.fact_web_sessions": (Source("silver.clickstream", {name: name for name in STREAM}, with_visitor, since),),
    "gold.payment_reconciliation": (Source("silver.payments", {"order_id": "order_id"}, of_some_order),),
}


class State:
    """GOLD as a publication would leave it: each table at its `wanted` version. `published` is what readers see now."""

    def __init__(self, tables: Tables, wanted: Mapping[str, int], published: Mapping[str, int]) -> None:
        self.tables, self.wanted, self.published = tables, wanted, published

    def __getitem__(self, name: str) -> DataFrame:
        return self.tables.read(name, self.wanted[name])

    @cached_property
    def open_dates(self) -> Counter[str]:
        """Per feed, the ingestion dates whose newest check found records lost or doubled."""
        return Counter(feed for feed, _ in open_dates(self.tables))

    def changed(self, name: str) -> DataFrame:
        """The rows that would be inserted, deleted or updated (before and after); all of a table new to readers."""
        if name not in self.published:
            return self[name]
        if self.wanted[name] == self.published[name]:
            return self[name].limit(0)
        return self.tables.changes(name, self.published[name] + 1, self.wanted[name])

    def of_changed_dates(self, name: str, *others: str) -> DataFrame:
        """The rows of the dates on which this table or the others change; all of a table whose rows have no date."""
        day = gold_table(name.removeprefix("gold.")).scope_date
        dates = {found for one in (name, *others) if one in self._moved for found in self._moved[one].dates}
        return self[name].where(F.col(day).isin(list(dates))) if day else self[name]

    def rows_of(self, source: Source, name: str) -> DataFrame:
        """The rows of a source that changed rows of this table are made of, whatever their dates are."""
        moved = self._moved[name]
        in_time = source.in_time and source.in_time(min(moved.dates, default=None))
        possible = in_range(source.ranged, *moved.ranges[SOURCES[name].index(source)], in_time)
        touched = self.changed(name).select(*(F.expr(sql).alias(column) for column, sql in source.columns.items()))
        return having(source.taken_in(self.tables.read(source.name).where(possible)), touched.distinct())

    def has_gone(self, dimension: str) -> bool:
        """Whether a version of a dimension that readers see would not be there any more."""
        return dimension in self._moved and self._moved[dimension].gone > 0

    @cached_property
    def _moved(self) -> dict[str, Row]:
        """Of each table that would move, in one query: the `dates` of its changed rows, the `ranges` of the columns of
        its sources that they name, and of a dimension the number of versions that are `gone`.
        """
        names = [name for name in self.wanted if self.wanted[name] != self.published.get(name)]
        return {row.name: row for row in reduce(DataFrame.union, map(self._survey, names)).collect()} if names else {}

    def _survey(self, name: str) -> DataFrame:
        changed, day = self.changed(name), gold_table(name.removeprefix("gold.")).scope_date
        values = [F.expr(source.columns[source.ranged]) for source in SOURCES.get(name, ())]
        ranges = F.array(*(F.array(F.min(value), F.max(value)) for value in values))
        gone = F.lit(0)
        for sk in (sk for sk, dimension in DIMENSIONS.items() if dimension == name):
            gone = changed.select(sk).distinct().join(self[name], sk, "left_anti").agg(F.count("*")).scalar()
        return changed.agg(
            F.lit(name).alias("name"),
            F.collect_set(day or F.lit(None).cast("date")).alias("dates"),
            ranges.cast("array<array<string>>").alias("ranges"),
        ).withColumn("gone", gone)
