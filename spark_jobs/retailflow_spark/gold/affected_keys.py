"""Scope keys: the keys whose rows of a GOLD table are to be recomputed.

A join with keys skips no file, however few they are. What is read of a table that has years in it is therefore also
pruned by literals: by dates where the keys have one, else by spans of the keys.
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

_KEYS = 200_000  # more of them stay a query, which is asked anew wherever they are needed


def at_hand(frame: DataFrame) -> tuple[DataFrame, pa.Table | None]:
    """The rows as literals of a query, and themselves; the frame as it is where they are too many."""
    rows = fetched(frame, _KEYS)
    return (frame, None) if rows is None else (literal_rows(frame.sparkSession, rows, frame.schema), rows)


def within(frame: DataFrame, scope: DataFrame | None, *keys: str) -> DataFrame:
    """The rows of `frame` whose keys are in scope; all of them where `scope` is None."""
    return frame if scope is None else having(frame, scope.select(*keys))


def bounded(frames: Mapping[str, DataFrame], contract: GoldContract, keys: pa.Table) -> dict[str, DataFrame]:
    """Of each table by name, what the rows of these keys of a GOLD table can be made of, as far as literals tell."""
    if day := contract.scope_date:
        dates = keys[day].unique().to_pylist()
        days = {name: table(name).partition for name in frames}
        return {
            name: frame.where(F.col(*days[name]).isin(dates)) if days[name] else frame for name, frame in frames.items()
        }
    key = contract.scope[0]
    found = keys[key].unique().to_pylist()
    possible = near(key, ((one, one) for one in found))
    if UNKNOWN_ID in found:  # where the source has none
        possible |= F.col(key).isNull()
    return {name: frame.where(possible) if key in frame.columns else frame for name, frame in frames.items()}


def distinct_keys(*frames: DataFrame) -> DataFrame:
    """One set of keys from several findings with the same columns."""
    return reduce(DataFrame.union, frames).distinct()


def members_to_add(target: DataFrame, key: str, *members: str) -> DataFrame:
    """Members every dimension has without a source, as long as `target` lacks them: the first build only."""
    ids = F.explode(F.array(*[F.lit(member) for member in members])).alias(key)
    return target.sparkSession.range(1).select(ids).join(target, key, "left_anti")
