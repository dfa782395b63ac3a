"""Scope keys: the keys whose rows of a GOLD table are to be recomputed."""

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import table


def within(frame: DataFrame, scope: DataFrame | None, *keys: str) -> DataFrame:
    """The rows of `frame` whose keys are in scope; all of them where `scope` is None."""
    return frame if scope is None else frame.join(scope.select(*keys), list(keys), "left_semi")


def of_dates(frame: DataFrame, name: str, dates: list[date]) -> DataFrame:
    """The rows of these dates, of a table that is partitioned. Literals skip files, where a join with keys does not."""
    partition = table(name).partition
    return frame.where(F.col(partition[0]).isin(dates)) if partition else frame


def distinct_keys(*frames: DataFrame) -> DataFrame:
    """One set of keys from several findings with the same columns."""
    return reduce(DataFrame.union, frames).distinct()


def members_to_add(target: DataFrame, key: str, *members: str) -> DataFrame:
    """Members every dimension has without a source, as long as `target` lacks them: the first build only."""
    ids = F.explode(F.array(*[F.lit(member) for member in members])).alias(key)
    return target.sparkSession.range(1).select(ids).join(target, key, "left_anti")
