"""The end of an erasure: check that no table has the customers any more, and delete the files of older versions."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract, Table, built_from, feed_contract
from retailflow.contracts.model import PLACE
from retailflow.raw import Kept, RawStore
from retailflow_spark.delta import upkeep
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import DRIFT, RUNS
from retailflow_spark.privacy import requests
from retailflow_spark.privacy.erase import sweep
from retailflow_spark.privacy.search import flagged, present, records_of_subjects
from retailflow_spark.privacy.subjects import CUSTOMER, VISITOR, Subjects
from retailflow_spark.publish.release import RELEASES, follow_maintenance
from retailflow_spark.publish.retention import lagging_reader, oldest_needed

_PLACE = list(PLACE)


class ErasureError(RuntimeError):
    """A person is not erased yet. The message says where their records still are, and what to do."""


def finish(tables: Tables, open_store: Callable[[], RawStore], settled_hours: int, run_id: str) -> str:
    """Delete the files of older versions and close the requests, once no table has the persons. Safe to repeat.

    Args:
        open_store: opens RAW with the right to delete. It is called only if a request is open.
        settled_hours: files that were replaced more recently stay, because a run in progress may need them. The
            requests then stay open too.

    Returns: what was done, as a sentence.
    Raises: ErasureError.
    """
    open_ = _open(tables)
    if not open_:
        return "No request is open."
    create(tables, [requests.REDACTIONS, RELEASES])
    subjects = requests.subjects_of(open_)
    _forget_names(tables, subjects)
    personal = _personal_tables(tables)
    if left := _remains(tables, personal, subjects):
        where = ", ".join(f"{name} ({count} rows)" for name, count in left.items())
        raise ErasureError(f"They are still in {where}. Trigger retailflow_erase again, or see what blocked GOLD.")
    if any(row.rebuilt_at is None for row in open_):
        for table in personal:
            upkeep.purge(tables, table.name)
        follow_maintenance(tables, run_id)
        requests.mark(tables, [row.subject_sha256 for row in open_], rebuilt_at=datetime.now(UTC))
    settled = _open(tables, f"rebuilt_at <= current_timestamp() - interval {settled_hours} hours")
    if settled:
        _delete_older_versions(tables, personal, settled_hours, run_id)
    kept = _sweep_again(tables, open_store(), subjects, run_id)
    if forbidden := [path for path, why in kept.items() if why is Kept.FORBIDDEN]:
        raise ErasureError(
            f"{len(forbidden)} files of RAW still hold them, {forbidden[0]} among them: {Kept.FORBIDDEN}. Give it the "
            "role RetailFlow RAW eraser on the container (docs/runbooks/erase_a_customer.md), then clear this task."
        )
    if not settled:
        return f"Gone from all tables; the files of older versions are deleted after {settled_hours} hours."
    if kept:
        return f"{len(kept)} files of RAW are immutable for some days yet, {min(kept)} among them; all else is gone."
    requests.mark(tables, [row.subject_sha256 for row in settled], erased_at=datetime.now(UTC))
    return f"{len(settled)} requests closed: no table, no older version and no file of RAW holds them."


def _delete_older_versions(tables: Tables, personal: list[Table], settled_hours: int, run_id: str) -> None:
    """Delete the files that only older versions need. Raises: ErasureError where a reader still needs an older version.

    During this Delta refuses to read older versions. So readers of GOLD first move to the newest version. That is
    possible only if its rows are those of the version that they read.
    """
    needed = oldest_needed(tables)
    for table in personal:
        is_gold = table.name.startswith("gold.")
        hours = 0 if is_gold else settled_hours
        if reader := lagging_reader(tables, table.name, hours, *needed.get(table.name, (None, None))):
            raise ErasureError(
                f"{table.name} cannot lose its older versions: {reader}. Clear that task, then this one."
            )
        move = partial(follow_maintenance, tables, run_id) if is_gold else None
        upkeep.vacuum_now(tables, table, settled_hours, before=move)


def _sweep_again(tables: Tables, store: RawStore, subjects: Subjects, run_id: str) -> dict[str, Kept]:
    """Delete the files that the redaction of each date had to leave. Returns by path why a file still stays."""
    days = tables.read(requests.REDACTIONS.name).select("name", "ingestion_date").distinct().collect()
    swept = (sweep(tables, store, feed_contract(day.name), day.ingestion_date, subjects, run_id) for day in days)
    return {path: why for one in swept for path, why in one.kept.items()}


def _forget_names(tables: Tables, subjects: Subjects) -> None:
    """Delete records of drift whose field is named after one of the subjects. Statements contain only digests."""
    if tables.spark.catalog.tableExists(tables.path(RUNS.name)):
        names = tables.read(DRIFT).select("column", F.sha2("column", 256).alias("sha256")).distinct().collect()
        if found := [row.sha256 for row in names if subjects.is_one(row.column) or subjects.in_text(row.column)]:
            listed = ", ".join(f"'{sha256}'" for sha256 in found)
            kept = f"filter(drift, one -> sha2(one.column, 256) NOT IN ({listed}))"
            tables.update(RUNS, "drift", kept, f"size({kept}) < size(drift)")


def _remains(tables: Tables, personal: list[Table], subjects: Subjects) -> dict[str, int]:
    """Return the tables and published views that still have rows of the subjects, with the number of rows."""
    found = {
        contract.bronze.name: records_of_subjects(tables, contract, subjects).count() for contract in present(tables)
    }
    for contract in present(tables):
        found[contract.quarantine.name] = _without_record(tables, contract)
    for table in personal:
        if not table.name.startswith(("bronze.", "quarantine.")):
            found[table.name] = _of_theirs(tables.read(table.name), subjects).count()
        view = f"{tables.catalog}.{table.name}"
        if table.name.startswith("gold.") and tables.spark.catalog.tableExists(view):
            found[f"the published {table.name}"] = _of_theirs(tables.spark.table(view), subjects).count()
    return {name: count for name, count in found.items() if count}


def _without_record(tables: Tables, contract: FeedContract) -> int:
    """Count the rows of quarantine whose record is no longer in BRONZE: their date has not been rebuilt yet."""
    if not tables.spark.catalog.tableExists(tables.path(contract.quarantine.name)):
        return 0
    records = tables.read(contract.bronze.name).select(*_PLACE)
    return tables.read(contract.quarantine.name).join(records, _PLACE, "left_anti").count()


def _of_theirs(rows: DataFrame, subjects: Subjects) -> DataFrame:
    """Return the rows with their id, and rows of their browsers without a customer from before the request."""
    moment = next((name for name in ("occurred_at", "started_at") if name in rows.columns), None)
    is_theirs = F.lit(False)
    if CUSTOMER in rows.columns:
        rows = flagged(rows, CUSTOMER, dict.fromkeys(subjects.customers), "_of_customer")
        is_theirs |= F.col("_of_customer").isNotNull()
    if VISITOR in rows.columns and moment:
        rows = flagged(rows, VISITOR, subjects.browsers, "_until")
        is_theirs |= F.col(CUSTOMER).isNull() & (F.col(moment) < F.col("_until"))
    return rows.where(is_theirs)


def _personal_tables(tables: Tables) -> list[Table]:
    """Return the existing tables with personal records."""
    feeds = [table for contract in requests.personal() for table in contract.tables]
    gold = [contract.table for contract in built_from(table.name for table in feeds)]
    named = [table for table in (*feeds, *gold) if {CUSTOMER, "record"} & set(table.column_names)]
    return [table for table in (*named, RUNS) if tables.spark.catalog.tableExists(tables.path(table.name))]


def _open(tables: Tables, condition: str = "true") -> list[Row]:
    """Return the requests that are confirmed and not closed, and meet the condition."""
    if not tables.spark.catalog.tableExists(tables.path(requests.ERASURES.name)):
        return []
    is_open = f"erased_at IS NULL AND confirmed_at IS NOT NULL AND {condition}"
    return tables.read(requests.ERASURES.name).where(is_open).collect()
