"""Find the old versions of tables that are still read by their number. Their files must stay."""

from pyspark.sql import functions as F

from retailflow.contracts import feeds, gold_tables
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job import run_log
from retailflow_spark.publish.release import RELEASES, newest

Needed = dict[str, tuple[int, str]]


def oldest_needed(tables: Tables) -> Needed:
    """Return for each table the oldest version that is still read by its number, and the name of the reader."""
    create(tables, [RELEASES])
    run_log.create(tables)
    checks = run_log.checked(tables, (contract.name for contract in feeds()))
    taken = run_log.taken(tables, (contract.table.name for contract in gold_tables()))
    found = [(source, version, name) for name, known in taken.items() for source, version in known.items()]
    found += [(f"silver.{name}", version, "its balance") for name, version in checks.items()]
    found += [(name, version, "the published release") for name, version in newest(tables)[1].items()]
    needed: Needed = {}
    for name, version, reader in found:
        needed[name] = min((version, reader), needed.get(name, (version, reader)))
    return needed


def lagging_reader(tables: Tables, name: str, hours: int, version: int | None, reader: str | None) -> str | None:
    """Return a message that names the reader lagging more than `hours` behind, or None.

    Args:
        version, reader: the table's result of `oldest_needed`.
    """
    if version is None:
        return None
    since = tables.commits_since(name, version)
    if since.first is None:
        return None
    is_old = F.col("timestamp") <= F.current_timestamp() - F.expr(f"interval {hours} hours")
    changed = tables.history(name, since.newest - since.first + 1).where((F.col("version") == since.first) & is_old)
    return None if changed.isEmpty() else f"{reader} is still at version {version}"
