"""The records of a date after validation: how many are invalid, on which event dates the others lie, and themselves.

A small day is fetched once and goes on as rows of the query itself: whatever asks for it again asks no table, and what
can be counted in this process costs no Spark job. A large one stays a query. Both must give the same rows, which
`tests/integration/test_large_days.py` compares (docs/adr/0014).
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract, Table
from retailflow.contracts.model import PLACE
from retailflow_spark.silver.validate import REASONS, latest_per_key, valid
from retailflow_spark.tables import literal_rows

SMALL_DAY_RECORDS = 100_000


@dataclass(frozen=True)
class Judged:
    """`frame` is what `validate` gives; `rows` holds the same rows in this process, and is None for a large day."""

    contract: EntityContract
    frame: DataFrame
    invalid: int
    dates: tuple[date, ...]  # event dates of valid records, where the feed has one
    rows: pa.Table | None = None

    def latest(self, table: Table, order: tuple[str, ...]) -> tuple[DataFrame, int | None]:
        """The greatest valid record of each identity of the table, and how many they are, None where nobody knows."""
        found = valid(self.frame, self.contract)
        if self.rows is None:
            return latest_per_key(found, table.identity, order), None
        good = self.valid_rows
        count = good.select(list(table.identity)).group_by(list(table.identity)).aggregate([]).num_rows
        return (found if count == good.num_rows else latest_per_key(found, table.identity, order)), count

    @property
    def valid_rows(self) -> pa.Table | None:
        """The valid records; None for a large day."""
        return None if self.rows is None else _good(self.rows)

    @property
    def places(self) -> set[tuple[str, int]] | None:
        """The place of each record in RAW; None for a large day."""
        return None if self.rows is None else places_of(self.rows)


def judge(validated: DataFrame, contract: EntityContract, records: int | None) -> Judged:
    """Ask for the records of a date, once.

    Args:
        records: how many there are in RAW; None where nobody knows.
    """
    event_date = contract.event_date
    if records is None or records > SMALL_DAY_RECORDS:
        is_bad = F.size(REASONS) > 0
        good_date = F.when(~is_bad, F.col(event_date)) if event_date else F.lit(None)
        found = validated.agg(F.count_if(is_bad).alias("invalid"), F.collect_set(good_date).alias("dates")).first()
        return Judged(contract, validated, found.invalid, tuple(found.dates))
    rows = validated.toArrow()
    good = _good(rows)
    dates = tuple(good[event_date].unique().to_pylist()) if event_date else ()
    frame = literal_rows(validated.sparkSession, rows, validated.schema)
    return Judged(contract, frame, rows.num_rows - good.num_rows, dates, rows)


def _good(rows: pa.Table) -> pa.Table:
    """The valid records."""
    return rows.filter(pc.equal(pc.list_value_length(rows[REASONS]), 0))


def places_of(rows: pa.Table) -> set[tuple[str, int]]:
    return set(zip(*(rows[name].to_pylist() for name in PLACE), strict=True))
