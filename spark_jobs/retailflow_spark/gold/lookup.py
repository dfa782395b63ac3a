"""Facts find the version of a dimension that held at their moment, and find it again when the dimension changes."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.scd2 import UNKNOWN_ID, UNKNOWN_SK, beginning


def with_version(facts: DataFrame, dimension: DataFrame, kind: str, moment: Column) -> DataFrame:
    """`facts` with `<kind>_sk`: the version of `<kind>_id` at `moment`, or the unknown member where there is none.

    Exactly one row comes out per row that goes in, since the intervals of a key are disjoint.
    """
    key, sk = f"{kind}_id", f"{kind}_sk"
    versions = dimension.where(F.col(sk) != UNKNOWN_SK).select(
        F.col(key).alias("_id"),
        F.col(sk).alias("_sk"),
        F.col("valid_from").alias("_from"),
        F.col("valid_to").alias("_to"),
    )
    holds = (F.col(key) == F.col("_id")) & (moment >= F.col("_from")) & (moment < F.col("_to"))
    found = facts.join(versions, holds, "left").withColumn(sk, F.coalesce("_sk", F.lit(UNKNOWN_SK)))
    return found.drop("_id", "_sk", "_from", "_to")


def awaited_count(*kinds: str) -> Column:
    """How many of a fact's ids of these kinds name a member that its dimension does not have."""
    named = (F.coalesce(F.col(f"{kind}_id") != UNKNOWN_ID, F.lit(False)) for kind in kinds)
    absent = (is_named & (F.col(f"{kind}_sk") == UNKNOWN_SK) for is_named, kind in zip(named, kinds, strict=True))
    return reduce(Column.__add__, (one.cast("int") for one in absent))


def misplaced(
    facts: DataFrame, changed: DataFrame, dimension: DataFrame, kind: str, moment: Column, day: str
) -> DataFrame:
    """The stored facts that now belong to another version of a changed `<kind>_id`, some of them twice.

    A closed interval or a corrected attribute moves no fact, so a new price does not rewrite a product's history. Facts
    at the unknown member keep their id and are found when its dimension row arrives late.

    Args:
        changed: the rows of the dimension that were inserted or deleted, or updated (before and after).
        day: the column of `facts` with the date of `moment` in some time zone.
    """
    key, sk = f"{kind}_id", f"{kind}_sk"
    touched = _concerned(facts, changed, dimension, kind, day).join(changed.select(key), key, "left_semi")
    found = with_version(touched.withColumnRenamed(sk, "_was"), dimension, kind, moment)
    return found.where(F.col("_was") != F.col(sk))


def _concerned(facts: DataFrame, changed: DataFrame, dimension: DataFrame, kind: str, day: str) -> DataFrame:
    """The facts that a change of versions can move, by literals, which skip files.

    A version that comes, goes or ends elsewhere moves facts from the first moment on where that makes a difference. The
    first version of a key holds since the beginning of time: where it comes, the facts of the key await it.
    """
    sk = f"{kind}_sk"
    versions = changed.groupBy(sk).agg(
        F.min("valid_from").alias("starts"),
        F.min("valid_to").alias("ends"),
        (F.min("valid_to") != F.max("valid_to")).alias("ends_elsewhere"),
        (F.count("*") % 2 == 1).alias("comes_or_goes"),  # of an update there are two rows
    )
    is_there = dimension.select(sk, F.lit(True).alias("is_there"))
    begins = F.col("comes_or_goes") & F.col("is_there").isNotNull() & (F.col("starts") == beginning())
    since = F.when(F.col("comes_or_goes"), F.col("starts")).when(F.col("ends_elsewhere"), F.col("ends"))
    bounds = (
        versions.join(is_there, sk, "left")
        .agg(
            F.min(F.when(~begins, since)).cast("date").alias("since"),
            F.coalesce(F.bool_or(begins), F.lit(False)).alias("begins"),
        )
        .first()
    )
    # The date of a moment may be that of the day before or after, in another time zone.
    later = facts.where(F.col(day) >= F.date_sub(F.lit(bounds.since), 1)) if bounds.since else facts.limit(0)
    awaiting = (F.col("awaited_count") > 0) | F.col("awaited_count").isNull()  # null in tables older than the column
    return later.union(facts.where(awaiting)) if bounds.begins else later
