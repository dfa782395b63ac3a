"""BRONZE to SILVER: typed and valid records, the newest of each key; what breaks the contract goes to quarantine."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark.quality import accepted, judge, newest_per_key, rejected
from retailflow_spark.tables import Tables


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date) -> None:
    """Judge the day's BRONZE rows and merge them. Safe to repeat; an old day never undoes a newer one."""
    tables.create(contract.tables)
    judged = judge(tables.read(contract.bronze.name).where(F.col("ingestion_date") == F.lit(ingestion_date)), contract)
    tables.replace_day(rejected(judged, contract), contract.quarantine, ingestion_date)
    rows = accepted(judged, contract)
    order = (contract.version_column, *ORDER)
    if contract.keeps_versions:
        tables.merge_newest(newest_per_key(rows, contract.versions.key, order), contract.versions, order, None)
    prune = _prune(rows, contract.event_date) if contract.event_date else None
    tables.merge_newest(newest_per_key(rows, contract.silver.key, order), contract.silver, order, prune)


def _prune(rows: DataFrame, event_date: str) -> str:
    dates = sorted(row[0] for row in rows.select(event_date).distinct().collect())
    listed = ", ".join(f"DATE '{value:%Y-%m-%d}'" for value in dates)
    return f"t.{event_date} IN ({listed})" if dates else "false"
