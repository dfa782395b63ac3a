"""BRONZE to SILVER: typed and valid records, the newest of each key; what breaks the contract goes to quarantine."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark.balance import check
from retailflow_spark.ledger import Counts
from retailflow_spark.quality import REASONS, accepted, judge, newest_per_key, rejected
from retailflow_spark.tables import Tables


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> Counts:
    """Judge the day's BRONZE rows and merge them. Safe to repeat; an old day never undoes a newer one.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    tables.create(contract.tables)
    judged = judge(tables.read_day(contract.bronze, ingestion_date), contract)
    rejected_count, dates = _survey(judged, contract.event_date)
    if rejected_count or not tables.read_day(contract.quarantine, ingestion_date).isEmpty():
        tables.replace_day(rejected(judged, contract), contract.quarantine, ingestion_date)
    rows = accepted(judged, contract)
    order = (contract.version_column, *ORDER)
    if contract.keeps_versions:
        tables.merge_newest(newest_per_key(rows, contract.versions.key, order), contract.versions, order, None)
    prune = f"t.{contract.event_date} IN ({dates})" if contract.event_date else None
    merged = tables.merge_newest(newest_per_key(rows, contract.silver.identity, order), contract.silver, order, prune)
    _withdraw(tables, contract, ingestion_date)
    own = check(tables, contract, ingestion_date, databricks_run_id)
    return Counts(
        rows_read=own.record,
        rows_written=merged.num_affected_rows,
        rows_superseded=own.superseded,
        rows_duplicate=own.duplicate,
        rows_quarantined=own.quarantined,
    )


def _withdraw(tables: Tables, contract: EntityContract, ingestion_date: date) -> None:
    """Take back the rows whose record does not count any more: it is in quarantine since the contract has become
    stricter, or it was taken out of RAW.

    Their keys get what all of BRONZE says of them, for which the whole of it is read; a day without such rows reads
    only the places of its records.
    """
    place = ["_source_file", "_position"]
    held = tables.read_day(contract.quarantine, ingestion_date).select(*place)
    valid = tables.read_day(contract.bronze, ingestion_date).select(*place).join(held, place, "left_anti")
    finest = contract.kept[0]
    of_day = tables.read(finest.name).where(F.col("ingestion_date") == F.lit(ingestion_date))
    keys = of_day.join(valid, place, "left_anti").select(*contract.silver.key).distinct()
    if keys.isEmpty():
        return
    keys = tables.spark.createDataFrame(keys.collect(), keys.schema)  # they would be gone after the first write
    rows = accepted(judge(tables.read(contract.bronze.name), contract), contract).join(keys, keys.columns, "left_semi")
    for table in reversed(contract.kept):  # the finest last, since it is what shows that this is to be done
        newest = newest_per_key(rows, table.identity, (contract.version_column, *ORDER))
        tables.make_equal(table, newest, keys)


def _survey(judged: DataFrame, event_date: str | None) -> tuple[int, str]:
    """How many records break the contract, and the event dates of the others as SQL literals."""
    is_bad = F.size(REASONS) > 0
    good_date = F.when(~is_bad, F.col(event_date)) if event_date else F.lit(None)
    found = judged.agg(F.count_if(is_bad).alias("bad"), F.collect_set(good_date).alias("dates")).first()
    literals = ", ".join(f"DATE '{value:%Y-%m-%d}'" for value in sorted(found.dates))
    return found.bad, literals or "NULL"
