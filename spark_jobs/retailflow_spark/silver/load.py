"""One feed and ingestion date from BRONZE to SILVER and quarantine."""

from datetime import date
from typing import Any

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark import run_log
from retailflow_spark.job import Run
from retailflow_spark.run_log import Counts
from retailflow_spark.silver.balance import Count, Known, count_date, known_of, moved_balances, movements
from retailflow_spark.silver.judged import Judged, judge
from retailflow_spark.silver.keys import keep_latest_date
from retailflow_spark.silver.stores import invalid_by_store
from retailflow_spark.silver.validate import invalid, validate
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
    known = known_of(tables, contract, ingestion_date)
    judged = judge(validate(tables.read_day(contract.bronze, ingestion_date), contract), contract, known.in_raw)
    if judged.invalid or known.has_run:
        tables.replace_day(invalid(judged.frame, contract), contract.quarantine, ingestion_date)
        stores = invalid_by_store(tables, contract, ingestion_date)
    order = (contract.version_column, *ORDER)
    prune = date_in(f"t.{contract.event_date}", judged.dates) if contract.event_date else None
    for table in contract.kept:
        rows, count = judged.latest(table, order)
        is_updated = table == contract.silver and known.updates
        inserted, updated = tables.upsert_latest(rows, table, order, prune, None if is_updated else count)
    if known.has_run:
        take_back(tables, contract, ingestion_date)
    version, found, moved = _settle(tables, contract, ingestion_date, known, judged)
    own = found.balance
    counts = Counts(
        rows_read=own.record,
        rows_written=inserted + updated,
        rows_updated=updated,
        rows_superseded=own.superseded,
        rows_duplicate=own.duplicate,
        rows_quarantined=own.quarantined,
    )
    balances = [own.row(ingestion_date, found.is_closed), *moved]
    checks = {"silver_version": version, "balances": balances, "is_closed": all(row["is_closed"] for row in balances)}
    run_log.record(tables, run, contract, counts, is_success=found.is_closed, stores=stores, **checks)
    found.raise_if_open(contract.name, ingestion_date)
    return counts


def _settle(
    tables: Tables, contract: EntityContract, ingestion_date: date, known: Known, judged: Judged
) -> tuple[int, Count, list[dict[str, Any]]]:
    """Look at what commits changed since the last check, be it by runs that then died. Each key keeps one row.

    Returns: the newest of these commits, what became of the date's records, and the balances of other dates whose rows
    came or went.
    """
    name = contract.silver.name
    version, first = tables.since(name, known.checked, as_noted=True)
    if version < known.checked:  # the table was dropped, and made anew
        version, first = tables.since(name, 0)
    if first is not None and (count := keep_latest_date(tables, contract, first, version)):
        print(f"warning: {count:,} keys of {contract.name} came with several event dates; the latest record counts")
        version = tables.version(name)
    moved = [] if first is None else movements(tables, contract, first, version)
    found = count_date(tables, contract, ingestion_date, known.in_raw, judged.places)
    return version, found, moved_balances(tables, contract, moved, ingestion_date, version)
