"""The validated records of a date: the number of invalid ones, the event dates of the valid ones, and the rows.

A small day is fetched once, and its rows become literals of later queries: they read no table again, and counting in
this process needs no Spark job. A large day stays a query. Both must give the same rows;
`tests/integration/test_large_days.py` compares them (docs/adr/0014).
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from itertools import repeat
from operator import xor

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract, Table
from retailflow.contracts.model import PLACE
from retailflow_spark.delta.rows import literal_rows, may_be_literal
from retailflow_spark.delta.spans import Span
from retailflow_spark.silver.validate import REASONS, latest_per_key, valid

SMALL_DAY_RECORDS = 100_000


@dataclass(frozen=True)
class DayProfile:
    """Validated records: `frame` as `validate` returns it, and its `rows` in this process; None for a large day."""

    contract: FeedContract
    frame: DataFrame
    invalid: int
    spans: dict[date | None, Span]  # of valid records by event date: first and last key
    fingerprint: tuple[int, int] | None = None  # of a large day: the number of records, a digest of places
    rows: pa.Table | None = None

    @property
    def dates(self) -> list[date]:
        """The event dates of the valid records, if the feed has an event date."""
        return [day for day in self.spans if day]

    def latest(self, table: Table, order: tuple[str, ...]) -> tuple[DataFrame, int | None]:
        """Return the greatest valid record of each identity of the table, and their number; None if it is unknown."""
        found = valid(self.frame, self.contract)
        if self.rows is None:
            return latest_per_key(found, table.identity, order), None
        good = self.valid_rows
        count = good.select(list(table.identity)).group_by(list(table.identity)).aggregate([]).num_rows
        return (found if count == good.num_rows else latest_per_key(found, table.identity, order)), count

    @cached_property
    def valid_rows(self) -> pa.Table | None:
        """The valid records; None for a large day."""
        return None if self.rows is None else _good(self.rows)

    @property
    def places(self) -> set[tuple[str, int]] | None:
        """The place of each record in RAW; None for a large day."""
        return None if self.rows is None else places_of(self.rows)


def profile_day(validated: DataFrame, contract: FeedContract, records: int | None) -> DayProfile:
    """Evaluate the validated records of a date, once.

    Args:
        records: the number of records in RAW; None if unknown.
    """
    if records is None or records > SMALL_DAY_RECORDS:
        return _profile_large_day(validated, contract)
    rows = validated.toArrow()
    if not may_be_literal(rows):
        return _profile_large_day(validated, contract)
    good = _good(rows)
    frame = literal_rows(validated.sparkSession, rows, validated.schema)
    return DayProfile(contract, frame, rows.num_rows - good.num_rows, _spans(good, contract), rows=rows)


def _profile_large_day(validated: DataFrame, contract: FeedContract) -> DayProfile:
    """Count a large day in one query, without fetching its records."""
    day = F.col(contract.event_date) if contract.event_date else F.lit(None).cast("date")
    key, is_bad = contract.silver.key[0], F.size(REASONS) > 0
    groups = (
        validated.groupBy(is_bad.alias("is_bad"), F.when(~is_bad, day).alias("day"))
        .agg(*fingerprint("marked"), F.min(key).alias("least"), F.max(key).alias("greatest"))
        .collect()
    )
    marks = (sum(one.marked for one in groups), reduce(xor, (one.marked_places for one in groups), 0))
    spans = {one.day: (one.least, one.greatest) for one in groups if not one.is_bad}
    return DayProfile(contract, validated, sum(one.marked for one in groups if one.is_bad), spans, marks)


def _spans(good: pa.Table, contract: FeedContract) -> dict[date | None, Span]:
    keys: dict[date | None, list[str]] = defaultdict(list)
    days = good[contract.event_date].to_pylist() if contract.event_date else repeat(None)
    for day, key in zip(days, good[contract.silver.key[0]].to_pylist(), strict=False):
        keys[day].append(key)
    return {day: (min(found), max(found)) for day, found in keys.items()}


def fingerprint(name: str) -> list[Column]:
    """Return two aggregates: the number of records, and a digest of their places, which ignores their order."""
    digest = F.coalesce(F.bit_xor(F.xxhash64(*PLACE)), F.lit(0).cast("bigint"))
    return [F.count("*").alias(name), digest.alias(f"{name}_places")]


def _good(rows: pa.Table) -> pa.Table:
    """Return the valid records."""
    return rows.filter(pc.equal(pc.list_value_length(rows[REASONS]), 0))


def places_of(rows: pa.Table) -> set[tuple[str, int]]:
    """Return the places of the records in RAW: file and position."""
    return set(zip(*(rows[name].to_pylist() for name in PLACE), strict=True))
