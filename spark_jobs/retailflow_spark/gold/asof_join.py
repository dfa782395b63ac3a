"""The as-of join: a fact refers to the dimension version valid at its moment, however late that version arrives."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.delta.reader import COMMIT
from retailflow_spark.gold.scd2 import UNKNOWN_ID, UNKNOWN_SK


def join_as_of(facts: DataFrame, dimension: DataFrame, kind: str, moment: Column) -> DataFrame:
    """Return `facts` with `<kind>_sk`: the version of `<kind>_id` at `moment`, or the unknown member.

    Each fact has exactly one row in the result, because the intervals of a key are disjoint.
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


def missing_dimension_count(*kinds: str) -> Column:
    """Return how many ids of a fact, of these kinds, name a member that its dimension does not have."""
    named = (F.coalesce(F.col(f"{kind}_id") != UNKNOWN_ID, F.lit(False)) for kind in kinds)
    absent = (is_named & (F.col(f"{kind}_sk") == UNKNOWN_SK) for is_named, kind in zip(named, kinds, strict=True))
    return reduce(Column.__add__, (one.cast("int") for one in absent))


def facts_to_repoint(
    facts: DataFrame, changed: DataFrame, dimension: DataFrame, kind: str, moment: Column, day: str
) -> DataFrame:
    """Return the stored facts that now belong to another version of a changed `<kind>_id`.

    A closed interval or a corrected attribute moves no fact, so a new price does not rewrite a product's history. Facts
    that point to the unknown member keep their id, so they are found when the dimension row arrives late.

    Args:
        changed: the rows of the dimension that were inserted or deleted, or updated (before and after), with `_net` as
            `Reader.value_changes` returns it.
        day: the column of `facts` with the date of `moment` in some time zone.
    """
    key, sk = f"{kind}_id", f"{kind}_sk"
    touched = _facts_since(facts, changed, kind, day).join(changed.select(key), key, "left_semi")
    found = join_as_of(touched.withColumnRenamed(sk, "_was"), dimension, kind, moment)
    return found.where(F.col("_was") != F.col(sk))


def _facts_since(facts: DataFrame, changed: DataFrame, kind: str, day: str) -> DataFrame:
    """Return the facts that a change of versions can move, by conditions with literals, which skip files.

    If a version is added or removed or its end changes, facts move from the first affected moment on. The first version
    of a key is valid from the beginning of time: when it arrives, only facts with a missing dimension row move to it.
    """
    sk = f"{kind}_sk"
    versions: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in changed.select(sk, "valid_from", "valid_to", "_net", COMMIT).toArrow().to_pylist():
        versions[row[sk]].append(row)
    since, begins = [], False
    for rows in versions.values():
        starts, ends = min(row["valid_from"] for row in rows), sorted(row["valid_to"] for row in rows)
        signs = {(row[COMMIT], row["_net"] > 0) for row in rows}
        if all((commit, not sign) in signs for commit, sign in signs):  # each commit has it before and after: an update
            since += [ends[0]] if ends[0] != ends[-1] else []
        elif starts.year == date.min.year and max(signs)[1]:
            begins = True
        else:
            since.append(starts)
    # In another time zone, the date of a moment may be one day earlier or later. No fact is older than 1990.
    first = max(min(since).date(), date(1990, 1, 1)) - timedelta(days=1) if since else None
    is_later = F.col(day) >= F.lit(first) if first else F.lit(False)
    count = F.col("missing_dimension_count")
    is_awaiting = (count > 0) | count.isNull() if begins else F.lit(False)  # null in rows older than the column
    return facts.where(is_later | is_awaiting)
