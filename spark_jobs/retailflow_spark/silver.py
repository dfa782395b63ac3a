"""BRONZE to SILVER: typed and valid records, the newest of each key; what breaks the contract goes to quarantine."""

from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark.balance import check
from retailflow_spark.ledger import Counts
from retailflow_spark.quality import REASONS, accepted, judge, newest_per_key, rejected
from retailflow_spark.tables import Tables, date_in


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> Counts:
    """Judge the day's BRONZE rows and merge them. Safe to repeat; an old day never undoes a newer one.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    tables.create(contract.tables)
    judged = judge(tables.read_day(contract.bronze, ingestion_date), contract)
    survey = _survey(tables, judged, contract, ingestion_date)
    if survey.rejected or survey.held:
        tables.replace_day(rejected(judged, contract), contract.quarantine, ingestion_date)
    rows = accepted(judged, contract)
    order = (contract.version_column, *ORDER)
    if contract.keeps_versions:
        tables.merge_newest(newest_per_key(rows, contract.versions.key, order), contract.versions, order, None)
    prune = date_in(f"t.{contract.event_date}", survey.dates) if contract.event_date else None
    merged = tables.merge_newest(newest_per_key(rows, contract.silver.identity, order), contract.silver, order, prune)
    if survey.kept:
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

    Their keys get what all of BRONZE says of them, for which the whole of it is read; a date without such rows reads
    only the places of its records, and one that SILVER has not had before is not asked.
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


def _survey(tables: Tables, judged: DataFrame, contract: EntityContract, ingestion_date: date) -> Row:
    """Of the date: how many records break the contract (`rejected`) and the event dates of the others (`dates`); and
    how many rows quarantine (`held`) and SILVER (`kept`) have from runs before.
    """
    is_bad, event_date = F.size(REASONS) > 0, contract.event_date
    good_date = F.when(~is_bad, F.col(event_date)) if event_date else F.lit(None)
    asked = judged.agg(F.count_if(is_bad).alias("rejected"), F.collect_set(good_date).alias("dates"))
    before = {"held": contract.quarantine, "kept": contract.kept[0]}
    counts = {name: tables.read_day(table, ingestion_date).agg(F.count("*")) for name, table in before.items()}
    return asked.select("*", *(count.scalar().alias(name) for name, count in counts.items())).first()
