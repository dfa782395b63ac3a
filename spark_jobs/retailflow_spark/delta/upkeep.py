"""Keep tables small and fast: compact small files, delete old files, count rows. Changes no row."""

from collections.abc import Callable
from datetime import UTC, datetime

from pyspark.errors import PySparkException

from retailflow.contracts import Table
from retailflow_spark.delta.conflicts import repeated
from retailflow_spark.delta.writer import Tables


def optimize(tables: Tables, name: str) -> tuple[int, int]:
    """Compact small files where a partition has several. Returns the numbers of files removed and added."""
    done = repeated(lambda: tables.spark.sql(f"OPTIMIZE {tables.path(name)}").first())
    return done.metrics.numFilesRemoved, done.metrics.numFilesAdded


def vacuum(tables: Tables, name: str) -> None:
    """Delete the files that only versions older than the table's `delta.deletedFileRetentionDuration` need."""
    repeated(lambda: tables.spark.sql(f"VACUUM {tables.path(name)}").collect())


def vacuum_now(tables: Tables, table: Table, hours: int, before: Callable[[], None] | None = None) -> None:
    """Delete the files that only versions older than `hours` need, whatever the table's retention is.

    It shortens the retention property of the table for this time, because serverless compute does not let a session do
    so. Delta then refuses to read older versions by number; `before` can move their readers to the newest version.
    """
    try:
        _retain(tables, table, f"{hours} hours")
        if before:
            before()
        vacuum(tables, table.name)
    finally:
        _retain(tables, table, f"{table.retention_days} days")


def purge(tables: Tables, name: str) -> None:
    """Rewrite the files in which rows are only marked as deleted."""
    repeated(lambda: tables.spark.sql(f"REORG TABLE {tables.path(name)} APPLY (PURGE)").collect())


def touch(tables: Tables, name: str) -> None:
    """Add a commit that changes no row."""
    tables.set_property(name, "retailflow.touched", f"{datetime.now(UTC):%Y-%m-%d}")


def analyze(tables: Tables, name: str) -> bool:
    """Count rows for the query planner. Returns False if the platform does not support it for Delta, as open source."""
    try:
        repeated(lambda: tables.spark.sql(f"ANALYZE TABLE {tables.path(name)} COMPUTE STATISTICS").collect())
    except PySparkException as error:
        if error.getCondition() != "NOT_SUPPORTED_COMMAND_FOR_V2_TABLE":
            raise
        return False
    return True


def _retain(tables: Tables, table: Table, interval: str) -> None:
    tables.set_property(table.name, "delta.deletedFileRetentionDuration", f"interval {interval}")
