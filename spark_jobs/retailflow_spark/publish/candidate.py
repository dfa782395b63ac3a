"""The candidate of a publication: GOLD as the publication would leave it, and its difference from what readers see."""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property, reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, contract_of
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.transform import versioned
from retailflow_spark.silver.balance import open_dates


class Candidate:
    """GOLD as a publication would leave it: each table at its `wanted` version. Readers now see version `published`."""

    def __init__(self, tables: Tables, wanted: Mapping[str, int], published: Mapping[str, int]) -> None:
        self.tables, self.wanted, self.published = tables, wanted, published

    def __getitem__(self, name: str) -> DataFrame:
        return self.tables.read(name, self.wanted[name])

    @cached_property
    def open_dates(self) -> Counter[str]:
        """The number of ingestion dates, per feed, whose newest check found records lost or doubled."""
        return Counter(feed for feed, _ in open_dates(self.tables))

    def changed(self, name: str) -> DataFrame:
        """Return the rows that would be inserted, deleted or updated (before and after), or all rows of a new table."""
        if name not in self.published:
            return self[name]
        if self.wanted[name] == self.published[name]:
            return self[name].limit(0)
        return self.tables.changes(name, self.published[name] + 1, self.wanted[name])

    def of_changed_dates(self, name: str, *others: str) -> DataFrame:
        """Return the rows of the dates on which this table or the others change; all rows of a table without a date."""
        day = _affected_date(name)
        dates = {found for one in (name, *others) if one in self._moved for found in self._moved[one].dates}
        return self[name].where(F.col(day).isin(list(dates))) if day else self[name]

    def has_gone(self, dimension: str) -> bool:
        """Return whether publishing would remove a version of a dimension that readers can see now."""
        return dimension in self._moved and self._moved[dimension].gone > 0

    @cached_property
    def _moved(self) -> dict[str, Row]:
        """One row per table that would move: `dates` of its changed rows, and how many dimension versions are `gone`.

        One query finds all rows.
        """
        names = [name for name in self.wanted if self.wanted[name] != self.published.get(name)]
        return {row.name: row for row in reduce(DataFrame.union, map(self._survey, names)).collect()} if names else {}

    def _survey(self, name: str) -> DataFrame:
        changed, day = self.changed(name), _affected_date(name)
        gone = F.lit(0)
        for sk in (sk for sk, dimension in versioned().items() if dimension == name):
            gone = changed.select(sk).distinct().join(self[name], sk, "left_anti").agg(F.count("*")).scalar()
        dates = F.collect_set(day or F.lit(None).cast("date")).alias("dates")
        return changed.agg(F.lit(name).alias("name"), dates).withColumn("gone", gone)


def _affected_date(name: str) -> str | None:
    contract = contract_of(name)
    return contract.affected_date if isinstance(contract, GoldContract) else None
