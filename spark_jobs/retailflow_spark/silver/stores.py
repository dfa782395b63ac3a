"""Count the invalid records per store: one broken till does not show in the numbers of the whole feed."""

from datetime import date
from typing import Any

from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.contracts.model import PLACE
from retailflow_spark.delta.writer import Tables
from retailflow_spark.silver.values import trimmed

MOST_STORES = 1000  # the most stores that a run records; ids come from outside
STORE = "stores.store_id"
_PLACE = list(PLACE)


def invalid_by_store(tables: Tables, contract: FeedContract, ingestion_date: date) -> list[dict[str, Any]]:
    """Return the stores with invalid records on the date; none if the feed has no stores.

    Returns: `store_id` (None for records without a store), `record_count` and `quarantined_count` of each.
    """
    column = next((column.name for column in contract.feed_columns if column.references == STORE), None)
    if column is None:
        return []
    records = tables.read_day(contract.bronze, ingestion_date).select(trimmed(F.col(column)).alias("store_id"), *_PLACE)
    quarantined = tables.read_day(contract.quarantine, ingestion_date).select(
        *_PLACE, F.lit(1).alias("_is_quarantined")
    )
    counted = records.join(quarantined, _PLACE, "left").groupBy("store_id")
    counts = counted.agg(F.count("*").alias("record_count"), F.count("_is_quarantined").alias("quarantined_count"))
    worst = counts.where("quarantined_count > 0").orderBy(F.desc("quarantined_count"), "store_id").limit(MOST_STORES)
    return [row.asDict() for row in worst.collect()]
