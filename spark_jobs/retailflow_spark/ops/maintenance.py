"""The upkeep of tables: compact small files, delete files of old versions, count rows. It changes no row.

Safe while a day runs: both sides retry a conflicting commit, and no file is deleted that was replaced within the
retention of the contract, which is at least seven days. Readers of the release and readers of change feeds read older
versions by number. If this reader lags further behind than the retention, the table keeps its files.
"""

from pyspark.errors import PySparkException

from retailflow.contracts import Table, feeds, gold_tables
from retailflow.contracts.ddl import DELETION_VECTORS
from retailflow_spark.delta import upkeep
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import RUNS
from retailflow_spark.ops.databricks_task_runs import JOB_RUNS
from retailflow_spark.privacy.requests import ERASURES, REDACTIONS
from retailflow_spark.publish.release import RELEASES, follow_maintenance
from retailflow_spark.publish.retention import Needed, lagging_reader, oldest_needed
from retailflow_spark.silver.recount import recount

LAYERS: dict[str, tuple[Table, ...]] = {  # by layer: the tables that its jobs write
    "bronze": tuple(contract.bronze for contract in feeds()),
    "silver": tuple(table for contract in feeds() for table in (contract.quarantine, *contract.silver_tables)),
    "gold": tuple(contract.table for contract in gold_tables()),
    "ops": (RUNS, JOB_RUNS, RELEASES, ERASURES, REDACTIONS),
}
# CPU seconds of an update of 100 keys in one file, without and with deletion vectors: 2.5 and 4.6 at 4 MiB, 3.2 and 3.8
# at 17 MiB, 5.4 and 4.5 at 67 MiB (2 cores, with other load). A scan with them costs 0.2 to 0.5 more.
LARGE_BYTES = 64 * 2**20


class MaintenanceError(RuntimeError):
    """The upkeep of some tables failed, or a date does not balance. The upkeep of all other tables is done."""


def maintain_layer(tables: Tables, layer: str, databricks_run_id: str) -> None:
    """Run the upkeep of the layer's existing tables, one after the other, and print what was done for each.

    For SILVER it also recounts the dates whose balance runs of other dates have changed.

    Raises: MaintenanceError after all tables, with the first line of each failure, or with the dates that do not
    balance.
    """
    needed, failures = oldest_needed(tables), []
    for table in LAYERS[layer]:
        if tables.spark.catalog.tableExists(tables.path(table.name)):
            try:
                print(f"{table.name}: {maintain(tables, table, needed)}")
            except PySparkException as error:
                failures.append(f"{table.name}: {str(error).splitlines()[0]}")
    if layer == "silver":
        failures += recount(tables, databricks_run_id)
    if layer == "gold":
        follow_maintenance(tables, databricks_run_id)
    if failures:
        raise MaintenanceError("; ".join(failures))


def maintain(tables: Tables, table: Table, needed: Needed) -> str:
    """Run the upkeep of a table. Returns what was done, as a sentence."""
    before = tables.version(table.name)
    removed, added = upkeep.optimize(tables, table.name)
    said = [f"{removed} files written together as {added}"]
    if reader := lagging_reader(tables, table.name, 24 * table.retention_days, *needed.get(table.name, (None, None))):
        said.append(f"no file deleted, since {reader}")
    else:
        upkeep.vacuum(tables, table.name)
        said.append(f"files deleted that were replaced more than {table.retention_days} days ago")
        if tables.version(table.name) == before:  # not every platform commits a VACUUM
            upkeep.touch(tables, table.name)
    if is_large(tables, table):
        tables.set_property(table.name, DELETION_VECTORS, "true")
        said.append("from now on updates mark rows instead of rewriting their files")
    if upkeep.analyze(tables, table.name):
        said.append("rows counted")
    return "; ".join(said)


def is_large(tables: Tables, table: Table) -> bool:
    """Return whether a merged table is so large that deletion vectors pay off, and does not have them yet."""
    if table.name.partition(".")[0] not in ("silver", "gold"):
        return False
    has_vectors = tables.properties(table.name).get(DELETION_VECTORS) == "true"
    return not has_vectors and tables.size(table.name)[1] >= LARGE_BYTES
