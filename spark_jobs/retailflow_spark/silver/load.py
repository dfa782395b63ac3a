"""One feed and ingestion date from BRONZE to SILVER and quarantine."""

from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark import run_log
from retailflow_spark.job import Run
from retailflow_spark.run_log import Counts
from retailflow_spark.silver.balance import Count, count_date, known_of, moved_balances, movements
from retailflow_spark.silver.keys import keep_latest_date
from retailflow_spark.silver.stores import invalid_by_store
from retailflow_spark.silver.validate import REASONS, invalid, latest_per_key, valid, validate
from retailflow_spark.silver.withdraw import take_back
from retailflow_spark.tables import Tables, date_in


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date, run: Run | None = None) -> Counts:
    """Validate the day's records, merge them, and record the run (None: nobody asked for it).

    Safe to repeat; an old day never undoes a newer one.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    tables.create(contract.tables)
    run_log.create(tables)
    run, stores = run or Run.alone("silver", contract.name, ingestion_date), []
    validated = validate(tables.read_day(contract.bronze, ingestion_date), contract)
    survey = _survey(tables, validated, contract, ingestion_date)
    if survey.invalid or survey.held:
        tables.replace_day(invalid(validated, contract), contract.quarantine, ingestion_date)
        stores = invalid_by_store(tables, contract, ingestion_date)
    rows, order = valid(validated, contract), (contract.version_column, *ORDER)
    prune = date_in(f"t.{contract.event_date}", survey.dates) if contract.event_date else None
    for table in contract.kept:
        merged = tables.upsert_latest(latest_per_key(rows, table.identity, order), table, order, prune)
    if survey.kept:
        take_back(tables, contract, ingestion_date)
    version, found, moved = _settle(tables, contract, ingestion_date)
    own = found.balance
    counts = Counts(
        rows_read=own.record,
        rows_written=merged.num_affected_rows,
        rows_superseded=own.superseded,
        rows_duplicate=own.duplicate,
        rows_quarantined=own.quarantined,
    )
    balances = [own.row(ingestion_date, found.is_closed), *moved]
    known = {"silver_version": version, "balances": balances, "is_closed": all(row["is_closed"] for row in balances)}
    run_log.record(tables, run, contract, counts, is_success=found.is_closed, stores=stores, **known)
    found.raise_if_open(contract.name, ingestion_date)
    return counts


def _settle(tables: Tables, contract: EntityContract, ingestion_date: date) -> tuple[int, Count, list[dict[str, Any]]]:
    """Look at what commits changed since the last check, be it by runs that then died. Each key keeps one row.

    Returns: the newest of these commits, what became of the date's records, and the balances of other dates whose rows
    came or went.
    """
    name, known = contract.silver.name, known_of(tables, contract, ingestion_date)
    version, first = tables.since(name, known.checked)
    if first is not None and (count := keep_latest_date(tables, contract, first, version)):
        print(f"warning: {count:,} keys of {contract.name} came with several event dates; the latest record counts")
        version = tables.version(name)
    moved = [] if first is None else movements(tables, contract, first, version)
    found = count_date(tables, contract, ingestion_date, known.in_raw)
    return version, found, moved_balances(tables, contract, moved, ingestion_date)


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
