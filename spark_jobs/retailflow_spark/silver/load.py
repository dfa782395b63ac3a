"""Load one feed and ingestion date from BRONZE to SILVER and quarantine."""

from datetime import date
from typing import Any

from retailflow.contracts import FeedContract
from retailflow.contracts.model import ORDER
from retailflow_spark.delta.rows import date_in
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import Counts
from retailflow_spark.silver.balance import Count, Movement, count_date, moved_balances, movements
from retailflow_spark.silver.keys import keep_latest_date
from retailflow_spark.silver.known import Known, known_of
from retailflow_spark.silver.profile import DayProfile, profile_day
from retailflow_spark.silver.stores import invalid_by_store
from retailflow_spark.silver.validate import invalid, validate
from retailflow_spark.silver.withdraw import take_back


def load_day(tables: Tables, contract: FeedContract, ingestion_date: date, run: Run | None = None) -> Counts:
    """Validate the day's records, merge them, and record the run (None: no job runs it).

    Safe to repeat; an old day never undoes a newer one. If BRONZE and the tables have not changed since the last run,
    it reads, writes and records nothing.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    run_log.create(tables)
    run, stores = run or Run.alone("silver", contract.name, ingestion_date), []
    known = known_of(tables, contract, ingestion_date)
    if counts := known.unchanged(tables, contract, ingestion_date):
        run_log.print_unchanged(f"silver.{contract.name} {ingestion_date}", known.last.databricks_run_id)
        return counts
    create(tables, contract.tables)
    writes: list[Write] = []
    profile = profile_day(validate(tables.read_day(contract.bronze, ingestion_date), contract), contract, known.in_raw)
    if profile.invalid or known.last:
        writes.append(tables.replace_day(invalid(profile.frame, contract), contract.quarantine, ingestion_date))
        stores = invalid_by_store(tables, contract, ingestion_date)
    order = (contract.version_column, *ORDER)
    prune = date_in(f"t.{contract.event_date}", profile.dates) if contract.event_date else None
    for table in contract.silver_tables:
        rows, count = profile.latest(table, order)
        is_updated = table == contract.silver and (known.updates or contract.keeps_versions)
        latest = tables.upsert_latest(rows, table, order, prune, None if is_updated else count)
        writes.append(latest)
    if known.last:
        writes += take_back(tables, contract, ingestion_date)
    version, found, moved = _settle(tables, contract, ingestion_date, known, profile, writes)
    own = found.balance
    counts = Counts(
        rows_read=own.record,
        rows_written=(latest.inserted or 0) + (latest.updated or 0),
        rows_updated=latest.updated,
        rows_superseded=own.superseded,
        rows_duplicate=own.duplicate,
        rows_quarantined=own.quarantined,
    )
    balances = [own.row(ingestion_date, found.is_closed), *moved]
    checks = {"silver_version": version, "balances": balances, "is_closed": all(row["is_closed"] for row in balances)}
    if (taken := known.bronze_version(contract)) is not None:
        checks["taken"] = {contract.bronze.name: taken}
    run_log.record(tables, run, contract, counts, writes=writes, is_success=found.is_closed, stores=stores, **checks)
    found.raise_if_open(contract.name, ingestion_date)
    return counts


def _settle(
    tables: Tables, contract: FeedContract, ingestion_date: date, known: Known, profile: DayProfile, writes: list[Write]
) -> tuple[int, Count, list[dict[str, Any]]]:
    """Check all commits of SILVER since the last check, including those of runs that died. Each key keeps one row.

    The changes of this run itself need no query.

    Args:
        writes: the writes of this run. A write that deletes older rows of keys is added to them.

    Returns: the newest of these commits, the balance of the date, and the balances of other dates that gained or lost
    rows.
    """
    name = contract.silver.name
    own = [write for write in writes if write.table == name]
    recent = next((write.recent for write in reversed(own) if write.recent), None)
    since = tables.commits_since(name, known.checked, recent)
    if since.newest < known.checked:  # the table was dropped and created again
        since = tables.commits_since(name, 0)
    version, first = since.newest, since.first
    moved: list[Movement] = []
    if first is not None:
        is_alone = len(since.changes) == sum(len(write.versions) for write in own)
        has_only_new = not (known.last or any(write.updated for write in own))
        count, removed = keep_latest_date(tables, contract, first, version, profile if is_alone else None)
        if removed:
            writes.append(removed)
            print(f"warning: {count:,} keys of {contract.name} came with several event dates; the latest record counts")
            version = tables.version(name)
        if removed or not (is_alone and has_only_new):
            moved = movements(tables, contract, first, version)
    found = count_date(tables, contract, ingestion_date, known.in_raw, profile)
    return version, found, moved_balances(tables, contract, known, moved, ingestion_date, version)
