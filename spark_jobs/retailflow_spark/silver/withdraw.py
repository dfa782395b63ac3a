"""Rows of SILVER whose record does not count any more: their keys get what the other records of BRONZE say of them."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER, PLACE
from retailflow_spark.delta.rows import having
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.job.run_log import ROW_BALANCE, checked
from retailflow_spark.silver.balance import movements
from retailflow_spark.silver.validate import latest_per_key, typed_key, valid, validate

_PLACE = list(PLACE)


def take_back(tables: Tables, contract: EntityContract, ingestion_date: date) -> list[Write]:
    """Take back the rows of a date whose record is in quarantine since the contract has become stricter, or is not in
    BRONZE any more, as after a withdrawal or an erasure.

    A record that lost to such a row may be in any date that has superseded ones. Of those only the keys are read, and
    all columns of the dates that have one of the keys. A date without such rows reads the places of its records.
    """
    held = tables.read_day(contract.quarantine, ingestion_date).select(*_PLACE)
    counting = tables.read_day(contract.bronze, ingestion_date).select(*_PLACE).join(held, _PLACE, "left_anti")
    finest = contract.silver_tables[0]
    of_day = tables.read_day(finest, ingestion_date)
    keys = of_day.join(counting, _PLACE, "left_anti").select(*contract.silver.key).distinct()
    if keys.isEmpty():
        return []
    dates = _dates_of(tables, contract, keys, ingestion_date)
    records = tables.read(contract.bronze.name).where(F.col("ingestion_date").isin(dates))
    rows, order = having(valid(validate(records, contract), contract), keys), (contract.version_column, *ORDER)
    # The finest table last: while it has the rows, a repeated run finds that this has to be done.
    return [
        tables.sync_rows(table, latest_per_key(rows, table.key, order), keys)
        for table in reversed(contract.silver_tables)
    ]


def _dates_of(tables: Tables, contract: EntityContract, keys: DataFrame, ingestion_date: date) -> list[date]:
    """The dates of BRONZE that have records of these keys: the date itself, and others where records have lost."""
    version, first = tables.since(contract.silver.name, checked(tables, {contract.name}).get(contract.name, 0))
    moved = [] if first is None else [one.ingestion_date for one in movements(tables, contract, first, version)]
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
