"""One feed and ingestion date from BRONZE to SILVER and quarantine."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER
from retailflow_spark import run_log
from retailflow_spark.job import Run
from retailflow_spark.run_log import Counts
from retailflow_spark.silver.balance import Count, Movement, count_date, moved_balances, movements
from retailflow_spark.silver.judged import Judged, judge
from retailflow_spark.silver.keys import keep_latest_date
from retailflow_spark.silver.known import Known, known_of
from retailflow_spark.silver.stores import invalid_by_store
from retailflow_spark.silver.validate import invalid, validate
from retailflow_spark.silver.withdraw import take_back
from retailflow_spark.tables import Tables, date_in


@dataclass(frozen=True)
class _Wrote:
    """How many commits of SILVER a run made that changed rows, and whether they took no row over."""

    commits: int
    has_only_new: bool


def load_day(tables: Tables, contract: EntityContract, ingestion_date: date, run: Run | None = None) -> Counts:
    """Validate the day's records, merge them, and record the run (None: nobody asked for it).

    Safe to repeat; an old day never undoes a newer one. Where BRONZE and the tables are as the last run left them,
    nothing is read, written or recorded.

    Raises: BalanceError where a record of the day is lost or doubled.
    """
    run_log.create(tables)
    run, stores = run or Run.alone("silver", contract.name, ingestion_date), []
    known = known_of(tables, contract, ingestion_date)
    if counts := known.unchanged(tables, contract, ingestion_date):
        run_log.print_unchanged(f"silver.{contract.name} {ingestion_date}", known.last.databricks_run_id)
        return counts
    tables.create(contract.tables)
    written_before = tables.written[contract.silver.name]
    judged = judge(validate(tables.read_day(contract.bronze, ingestion_date), contract), contract, known.in_raw)
    if judged.invalid or known.last:
        tables.replace_day(invalid(judged.frame, contract), contract.quarantine, ingestion_date)
        stores = invalid_by_store(tables, contract, ingestion_date)
    order = (contract.version_column, *ORDER)
    prune = date_in(f"t.{contract.event_date}", judged.dates) if contract.event_date else None
    for table in contract.kept:
        rows, count = judged.latest(table, order)
        is_updated = table == contract.silver and known.updates
        inserted, updated = tables.upsert_latest(rows, table, order, prune, None if is_updated else count)
    if known.last:
        take_back(tables, contract, ingestion_date)
    wrote = _Wrote(tables.written[contract.silver.name] - written_before, has_only_new=not (updated or known.last))
    version, found, moved = _settle(tables, contract, ingestion_date, known, judged, wrote)
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
    if (taken := known.bronze_version(contract)) is not None:
        checks["taken"] = {contract.bronze.name: taken}
    run_log.record(tables, run, contract, counts, is_success=found.is_closed, stores=stores, **checks)
    found.raise_if_open(contract.name, ingestion_date)
    return counts


def _settle(
    tables: Tables, contract: EntityContract, ingestion_date: date, known: Known, judged: Judged, wrote: _Wrote
) -> tuple[int, Count, list[dict[str, Any]]]:
    """Look at what commits changed since the last check, be it by runs that then died. Each key keeps one row.

    What this run did itself it need not ask for.

    Returns: the newest of these commits, what became of the date's records, and the balances of other dates whose rows
    came or went.
    """
    name = contract.silver.name
    version, commits = tables.commits_after(name, known.checked, as_noted=True)
    if version < known.checked:  # the table was dropped, and made anew
        version, commits = tables.commits_after(name, 0)
    moved: list[Movement] = []
    if commits:
        first = commits[-1].version
        is_alone = len(commits) == wrote.commits
        count = keep_latest_date(tables, contract, first, version, judged if is_alone else None)
        if count:
            print(f"warning: {count:,} keys of {contract.name} came with several event dates; the latest record counts")
            version = tables.version(name)
        if count or not (is_alone and wrote.has_only_new):
            moved = movements(tables, contract, first, version)
    found = count_date(tables, contract, ingestion_date, known.in_raw, judged)
    return version, found, moved_balances(tables, contract, known, moved, ingestion_date, version)
