"""How many records of each store are invalid: a till that breaks is lost in the numbers of its feed."""

from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table
from retailflow_spark.silver.values import trimmed
from retailflow_spark.tables import Tables

MOST_STORES = 1000  # that a run records; ids come from outside
STORE = "stores.store_id"
INVALID_BY_STORE = Table(
    name="ops.quarantined_by_store",
    description="Stores with invalid records, per feed and date; the row of the latest checked_at holds.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the records.", required=True),
        Column("store_id", "STRING", "Store, as the records have it; null where they name none."),
        Column("record_count", "BIGINT", "Records of the store.", required=True),
        Column("quarantined_count", "BIGINT", "Records of these that are in quarantine.", required=True),
        Column("databricks_run_id", "STRING", "The run that counted.", required=True),
        Column("checked_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("entity", "ingestion_date", "store_id", "checked_at"),
)
_PLACE = ["_source_file", "_position"]


def record_invalid(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> None:
    """Record the stores of a feed that has stores, as far as they have invalid records on the date."""
    column = next((column.name for column in contract.feed_columns if column.references == STORE), None)
    if column is None:
        return
    records = tables.read_day(contract.bronze, ingestion_date).select(trimmed(F.col(column)).alias("store_id"), *_PLACE)
    held = tables.read_day(contract.quarantine, ingestion_date).select(*_PLACE, F.lit(1).alias("_is_held"))
    counted = records.join(held, _PLACE, "left").groupBy("store_id")
    counts = counted.agg(F.count("*").alias("record_count"), F.count("_is_held").alias("quarantined_count"))
    worst = counts.where("quarantined_count > 0").orderBy(F.desc("quarantined_count"), "store_id").limit(MOST_STORES)
    about = {"entity": contract.name, "ingestion_date": ingestion_date}
    about |= {"databricks_run_id": databricks_run_id, "checked_at": datetime.now(UTC)}
    if rows := [row.asDict() | about for row in worst.collect()]:
        tables.append_once(rows, INVALID_BY_STORE, f"quarantined_by_store/{databricks_run_id}")
