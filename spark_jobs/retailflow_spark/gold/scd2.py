"""Versions of a key as half-open intervals without gap or overlap (slowly changing dimension, type 2)."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

UNKNOWN_ID = "unknown"
UNKNOWN_SK = "0" * 32


def beginning() -> Column:
    """Return the start of the first interval of every key. A fact older than its dimension row still finds that row."""
    return F.lit("0001-01-01T00:00:00Z").cast("timestamp")


def end() -> Column:
    """Return the end of the current interval of every key."""
    return F.lit("9999-12-31T00:00:00Z").cast("timestamp")


def intervals(versions: DataFrame, kind: str, tracked: Sequence[str], carried: Sequence[str] = ()) -> DataFrame:
    """Return one row per interval in which no tracked column changed, and the unknown member.

    Args:
        versions: one row per `<kind>_id` and `updated_at`, in any order.
        tracked: columns whose change starts a new interval.
        carried: columns that start no interval; they have the value of the version that started it.

    Returns: the key, `tracked`, `carried`, `valid_from`, `valid_to`, `is_current`, and `<kind>_sk`, a digest of the key
    and `valid_from`.
    """
    key, sk = f"{kind}_id", f"{kind}_sk"
    in_time = Window.partitionBy(key).orderBy("updated_at")
    state = F.struct(*tracked)
    starts = (
        versions.select(key, *tracked, *carried, "updated_at", F.lag(state).over(in_time).alias("_before"))
        .where(~state.eqNullSafe(F.col("_before")))
        .drop("_before")
    )
    is_first = F.lag("updated_at").over(in_time).isNull()
    later = F.lead("updated_at").over(in_time)
    dated = starts.select(
        key,
        *tracked,
        *carried,
        F.when(is_first, beginning()).otherwise(F.col("updated_at")).alias("valid_from"),
        F.coalesce(later, end()).alias("valid_to"),
        later.isNull().alias("is_current"),
    )
    digest = F.md5(F.concat_ws("|", key, F.unix_micros("valid_from")))
    return dated.withColumn(sk, digest).unionByName(_unknown(versions, key, sk), allowMissingColumns=True)


def _unknown(versions: DataFrame, key: str, sk: str) -> DataFrame:
    return versions.sparkSession.range(1).select(
        F.lit(UNKNOWN_ID).alias(key),
        F.lit(UNKNOWN_SK).alias(sk),
        beginning().alias("valid_from"),
        end().alias("valid_to"),
        F.lit(True).alias("is_current"),
    )
