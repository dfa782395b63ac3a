"""The end of an erasure: no table holds the customers any more, and what older versions hold is deleted."""

from datetime import UTC, datetime

from pyspark.sql import Row

from retailflow.contracts import Table, built_from
from retailflow.raw import RawStore
from retailflow_spark.erasure import ERASURES, REDACTIONS, asked, is_about, mark, personal
from retailflow_spark.maintenance import behind, oldest_needed
from retailflow_spark.redaction import CUSTOMER, sweep
from retailflow_spark.release import RELEASES, carry
from retailflow_spark.tables import Tables


class ErasureError(RuntimeError):
    """A person is not gone yet. Says where they still are, and what to do."""


def finish(tables: Tables, store: RawStore, settled_hours: int, run_id: str) -> str:
    """Once no table holds them: delete the files of older versions, and close the requests. Safe to repeat.

    Args:
        settled_hours: files replaced for less stay, and with them the requests; a run under way may need them.

    Returns: what was done, as a sentence.
    Raises: ErasureError.
    """
    tables.create([ERASURES, REDACTIONS, RELEASES])
    if not _open(tables):
        return "No request is open."
    scope = _scope(tables)
    if left := _remains(tables, scope):
        where = ", ".join(f"{name} ({count} rows)" for name, count in left.items())
        raise ErasureError(f"They are still in {where}. Trigger retailflow_erase again, or see what held back GOLD.")
    if _open(tables, "rebuilt_at IS NULL"):
        for table in scope:
            tables.purge(table.name)
        carry(tables, run_id)
        mark(tables, rebuilt_at=datetime.now(UTC))
    count = len(_open(tables, f"rebuilt_at <= current_timestamp() - interval {settled_hours} hours"))
    if not count:
        return f"Gone from all tables; the files of older versions are deleted after {settled_hours} hours."
    needed = oldest_needed(tables)
    for table in scope:
        if reader := behind(tables, table.name, settled_hours, *needed.get(table.name, (None, None))):
            raise ErasureError(
                f"{table.name} cannot lose its older versions: {reader}. Clear that task, then this one."
            )
        tables.vacuum_now(table, settled_hours)
    days = tables.read(REDACTIONS.name).select("entity", "ingestion_date").distinct().collect()
    if kept := [path for day in days for path in sweep(store, day.entity, day.ingestion_date)]:
        return f"{len(kept)} files of RAW are immutable for some days yet, {kept[0]} among them; all else is gone."
    mark(tables, erased_at=datetime.now(UTC))
    return f"{count} requests closed: no table, no older version and no file of RAW holds them."


def _remains(tables: Tables, scope: list[Table]) -> dict[str, int]:
    """Of these tables and their published views, those that still speak of the requested, with the number of rows."""
    ids, found = asked(tables), {}
    for table in scope:
        condition = is_about(ids, table.column_names)
        found[table.name] = tables.read(table.name).where(condition).count()
        view = f"{tables.catalog}.{table.name}"
        if table.name.startswith("gold.") and tables.spark.catalog.tableExists(view):
            found[f"the published {table.name}"] = tables.spark.table(view).where(condition).count()
    return {name: count for name, count in found.items() if count}


def _scope(tables: Tables) -> list[Table]:
    """The tables that are there and have people in them."""
    feeds = [table for contract in personal() for table in contract.tables]
    gold = [contract.table for contract in built_from(table.name for table in feeds)]
    named = [table for table in (*feeds, *gold) if {CUSTOMER, "record"} & set(table.column_names)]
    return [table for table in named if tables.spark.catalog.tableExists(tables.path(table.name))]


def _open(tables: Tables, condition: str = "true") -> list[Row]:
    return tables.read(ERASURES.name).where(f"erased_at IS NULL AND {condition}").collect()
