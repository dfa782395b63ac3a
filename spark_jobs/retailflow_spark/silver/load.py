"""One feed and ingestion date from BRONZE to SILVER and quarantine."""

from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark.ledger import Counts
from retailflow_spark.silver.balance import ROW_BALANCE, Balance, check, checked, movements
from retailflow_spark.silver.keys import keep_latest_date
from retailflow_spark.silver.stores import INVALID_BY_STORE, record_invalid
from retailflow_spark.silver.validate import REASONS, invalid, latest_per_key, valid, validate
from retailflow_spark.silver.withdraw import take_back
from retailflow_spark.tables import Tables, date_in


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> Counts:
    """Validate the day's records and merge them. Safe to repeat; an old day never undoes a newer one.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    tables.create((*contract.tables, ROW_BALANCE, INVALID_BY_STORE))
    validated = validate(tables.read_day(contract.bronze, ingestion_date), contract)
    survey = _survey(tables, validated, contract, ingestion_date)
    if survey.invalid or survey.held:
        tables.replace_day(invalid(validated, contract), contract.quarantine, ingestion_date)
        record_invalid(tables, contract, ingestion_date, databricks_run_id)
    rows, order = valid(validated, contract), (contract.version_column, *ORDER)
    prune = date_in(f"t.{contract.event_date}", survey.dates) if contract.event_date else None
    for table in contract.kept:
        merged = tables.upsert_latest(latest_per_key(rows, table.identity, order), table, order, prune)
    if survey.kept:
        take_back(tables, contract, ingestion_date)
    own = _settle(tables, contract, ingestion_date, databricks_run_id)
    return Counts(
        rows_read=own.record,
        rows_written=merged.num_affected_rows,
        rows_superseded=own.superseded,
        rows_duplicate=own.duplicate,
        rows_quarantined=own.quarantined,
    )


def _settle(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> Balance:
    """Look at what commits changed since the last check, be it by runs that then died.

    Each key keeps one row, and the balances are counted. Returns: that of the date.
    """
    name = contract.silver.name
    version, first = tables.since(name, checked(tables, {contract.name}).get(contract.name, 0))
    if first is not None and (count := keep_latest_date(tables, contract, first, version)):
        print(f"warning: {count:,} keys of {contract.name} came with several event dates; the latest record counts")
        version = tables.version(name)
    moved = [] if first is None else movements(tables, contract, first, version)
    return check(tables, contract, ingestion_date, moved, version, databricks_run_id)


def _survey(tables: Tables, validated: DataFrame, contract: EntityContract, ingestion_date: date) -> Row:
    """Of the date: how many records are invalid (`invalid`) and the event dates of the others (`dates`); and how many
    rows quarantine (`held`) and SILVER (`kept`) have from runs before.
    """
    is_bad, event_date = F.size(REASONS) > 0, contract.event_date
    good_date = F.when(~is_bad, F.col(event_date)) if event_date else F.lit(None)
    asked = validated.agg(F.count_if(is_bad).alias("invalid"), F.collect_set(good_date).alias("dates"))
    before = {"held": contract.quarantine, "kept": contract.kept[0]}
    counts = {name: tables.read_day(table, ingestion_date).agg(F.count("*")) for name, table in before.items()}
    return asked.select("*", *(count.scalar().alias(name) for name, count in counts.items())).first()
