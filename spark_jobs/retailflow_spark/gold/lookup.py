"""Facts find the version of a dimension that held at their moment, and find it again when the dimension changes."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.scd2 import UNKNOWN_SK


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


def misplaced(facts: DataFrame, changed: DataFrame, dimension: DataFrame, kind: str, moment: Column) -> DataFrame:
    """The stored facts that now belong to another version of a changed `<kind>_id`.

    A closed interval or a corrected attribute moves no fact, so a new price does not rewrite a product's history. Facts
    at the unknown member keep their id and are found when its dimension row arrives late.
    """
    key, sk = f"{kind}_id", f"{kind}_sk"
    touched = facts.join(changed.select(key), key, "left_semi").withColumnRenamed(sk, "_was")
    return with_version(touched, dimension, kind, moment).where(F.col("_was") != F.col(sk))
