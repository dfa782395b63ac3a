"""Affected keys: the keys whose rows of a GOLD table a run recomputes.

A join with keys skips no file, however few keys there are. So tables with years of rows are also pruned by conditions
with literals: by dates if the keys have a date, else by ranges of the keys.
"""

from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, table
from retailflow_spark.delta.rows import fetched, having, literal_rows
from retailflow_spark.delta.spans import near
from retailflow_spark.gold.scd2 import UNKNOWN_ID

_KEYS = 200_000  # more keys stay a query, which runs again wherever they are needed


def fetched_keys(frame: DataFrame) -> tuple[DataFrame, pa.Table | None]:
    """Fetch the rows. Returns them as literals of a query and in Arrow, or the frame and None if they are too many."""
    rows = fetched(frame, _KEYS)
    return (frame, None) if rows is None else (literal_rows(frame.sparkSession, rows, frame.schema), rows)


def of_keys(frame: DataFrame, keys: DataFrame | None, *columns: str) -> DataFrame:
    """Return the rows whose values in these columns are among the keys; all rows if `keys` is None."""
    return frame if keys is None else having(frame, keys.select(*columns))


def prune_by_keys(
    tables: Mapping[str, DataFrame], contract: GoldContract, keys: DataFrame, fetched: pa.Table | None
) -> Mapping[str, DataFrame]:
    """Keep the rows with the dates of the keys; if the keys have no date, the rows with a key near one of them.

    For tables whose sources have the date or the key of the affected keys. See `Transform.prune`.
    """
    if fetched is None:
        return tables
    if day := contract.affected_date:
        dates = fetched[day].unique().to_pylist()
        days = {name: table(name).partition for name in tables}
        return {
            name: frame.where(F.col(*days[name]).isin(dates)) if days[name] else frame for name, frame in tables.items()
        }
    key = contract.affected_keys[0]
    found = fetched[key].unique().to_pylist()
    possible = near(key, ((one, one) for one in found))
    if UNKNOWN_ID in found:  # in the source it is null
        possible |= F.col(key).isNull()
    return {name: frame.where(possible) if key in frame.columns else frame for name, frame in tables.items()}


def distinct_keys(*frames: DataFrame) -> DataFrame:
    """Return the distinct rows of several frames with the same columns."""
    return reduce(DataFrame.union, frames).distinct()


def members_to_add(target: DataFrame, key: str, *members: str) -> DataFrame:
    """Return the ids of fixed members that `target` lacks: all of them at the first build, none afterwards."""
    ids = F.explode(F.array(*[F.lit(member) for member in members])).alias(key)
    return target.sparkSession.range(1).select(ids).join(target, key, "left_anti")
