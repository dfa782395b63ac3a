"""Rebuild keys of SILVER from the other records of BRONZE, if the record of their row no longer counts."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.contracts.model import ORDER, PLACE
from retailflow_spark.delta.rows import having
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.job.run_log import ROW_BALANCE, checked
from retailflow_spark.silver.balance import movements
from retailflow_spark.silver.validate import latest_per_key, typed_key, valid, validate

_PLACE = list(PLACE)


def take_back(tables: Tables, contract: FeedContract, ingestion_date: date) -> list[Write]:
    """Remove the rows of a date whose record no longer counts, and restore earlier records of their keys.

    A record no longer counts if the contract has become stricter and the record is in quarantine, or if a withdrawal or
    an erasure has removed it from BRONZE. An earlier record of its key may be in any date that has superseded records.
    The function reads the keys of these dates, and all columns only of dates that contain one of the keys. If no record
    of the date has stopped counting, the function reads only the places of its records.
    """
    quarantined = tables.read_day(contract.quarantine, ingestion_date).select(*_PLACE)
    counting = tables.read_day(contract.bronze, ingestion_date).select(*_PLACE).join(quarantined, _PLACE, "left_anti")
    finest = contract.silver_tables[0]
    of_day = tables.read_day(finest, ingestion_date)
    keys = of_day.join(counting, _PLACE, "left_anti").select(*contract.silver.key).distinct()
    if keys.isEmpty():
        return []
    dates = _dates_of(tables, contract, keys, ingestion_date)
    records = tables.read(contract.bronze.name).where(F.col("ingestion_date").isin(dates))
    rows, order = having(valid(validate(records, contract), contract), keys), (contract.version_column, *ORDER)
    # Write the finest table last: as long as it has the rows, a repeated run finds this work again.
    return [
        tables.sync_rows(table, latest_per_key(rows, table.key, order), keys)
        for table in reversed(contract.silver_tables)
    ]


def _dates_of(tables: Tables, contract: FeedContract, keys: DataFrame, ingestion_date: date) -> list[date]:
    """Return the dates of BRONZE with records of these keys: the date itself, and dates with superseded records."""
    since = tables.commits_since(contract.silver.name, checked(tables, {contract.name}).get(contract.name, 0))
    others = [] if since.first is None else movements(tables, contract, since.first, since.newest)
    moved = [one.ingestion_date for one in others]
    lossless = (
        tables.read(ROW_BALANCE)
        .where((F.col("name") == contract.name) & ~F.col("ingestion_date").isin([ingestion_date, *moved]))
        .groupBy("ingestion_date")
        .agg(F.max("superseded_count").alias("most"))
        .where("most = 0")
    )
    records = tables.read(contract.bronze.name).join(lossless, "ingestion_date", "left_anti")
    found = having(typed_key(records, contract).select("ingestion_date", *contract.silver.key), keys)
    return sorted(row.ingestion_date for row in found.select("ingestion_date").distinct().collect())
