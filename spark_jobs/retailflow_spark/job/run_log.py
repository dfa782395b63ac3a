"""The run log: each job appends one row to `ops.runs` as its last step.

There is one table and one append per task, because on a small day each Delta commit costs a second, and so does each
table that is read. Views show the parts of a row under their own names and remove duplicate rows (docs/adr/0013).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import Row
from pyspark.sql import functions as F

from retailflow import fingerprints
from retailflow.contracts import Column, FeedContract, GoldContract, Table
from retailflow.contracts.ddl import CONTRACT
from retailflow.contracts.ddl import digest as table_digest
from retailflow.release import installed
from retailflow_spark.delta import schema
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.job.entry import Run

_PACKAGE = Path(__file__).parents[1]  # retailflow_spark
_HAS_VIEWS = "retailflow.views"  # the property of `ops.runs` with the digest of its views
_COUNTS = (
    Column("rows_read", "BIGINT", "Records or rows that the run read."),
    Column("rows_written", "BIGINT", "Rows that the run inserted, updated or replaced."),
    Column("rows_updated", "BIGINT", "Of these, rows of SILVER that replaced another row."),
    Column("rows_superseded", "BIGINT", "Records of the date that lost to another record of their key."),
    Column("rows_duplicate", "BIGINT", "Records of the date that lost to an equal record of the date."),
    Column("rows_quarantined", "BIGINT", "Records of the date that break the contract."),
)
_BALANCE = (
    "ingestion_date DATE, record_count BIGINT, current_count BIGINT, superseded_count BIGINT, duplicate_count BIGINT, "
    "quarantined_count BIGINT, unaccounted_count BIGINT, is_closed BOOLEAN"
)
_DRIFT = "column STRING, kind STRING, record_count BIGINT, first_file STRING"
_STORE = "store_id STRING, record_count BIGINT, quarantined_count BIGINT"
_FINDING = "audit STRING, name STRING, is_blocking BOOLEAN, broken_count BIGINT, sentence STRING"
RUNS = Table(
    name="ops.runs",
    description="The run log: what each run of a job did. A repeated run adds a row.",
    columns=(
        Column("layer", "STRING", "bronze, silver, gold, publish or recount.", required=True),
        Column("name", "STRING", "Feed or GOLD table.", required=True),
        Column("ingestion_date", "DATE", "Ingestion date of the run.", required=True),
        Column("dag_run_id", "STRING", "Run id of Airflow."),
        Column("try_number", "INT", "Try of the Airflow task, from 1."),
        Column("databricks_run_id", "STRING", "Run id of the try in Databricks; unique.", required=True),
        Column("code_version", "STRING", "Release that the code came from.", required=True),
        Column("contract_version", "STRING", "Version of the contract."),
        Column("built_with", "STRING", "Digest of the contract and the code that built the rows."),
        Column("is_success", "BOOLEAN", "False where the records of the date do not balance.", required=True),
        *_COUNTS,
        Column("batches", "ARRAY<STRING>", "Batches of RAW that the run read (BRONZE only)."),
        Column("versions_before", "MAP<STRING, BIGINT>", "Delta version of each written table before the run."),
        Column("versions_after", "MAP<STRING, BIGINT>", "Delta version of each written table after the run."),
        Column("silver_version", "BIGINT", "The commit of SILVER up to which its changes were counted."),
        Column("is_closed", "BOOLEAN", "Whether all balances of the run close (SILVER only)."),
        Column("balances", f"ARRAY<STRUCT<{_BALANCE}>>", "Balance of the date, and of dates that its commits changed."),
        Column("taken", "MAP<STRING, BIGINT>", "Newest commit taken in of each source, and the table's own."),
        Column("drift", f"ARRAY<STRUCT<{_DRIFT}>>", "Fields that differ from the contract.",
               classification="confidential"),
        Column("stores", f"ARRAY<STRUCT<{_STORE}>>", "Stores with invalid records."),
        Column("findings", f"ARRAY<STRUCT<{_FINDING}>>", "What audits found when the run published."),
        Column("started_at", "TIMESTAMP", "When the job's code started.", required=True),
        Column("ended_at", "TIMESTAMP", "When this row was written.", required=True),
    ),
    key=("databricks_run_id", "ended_at"),
    partition=("layer", "name"),
)  # fmt: skip
RECOUNT = "recount"  # the layer of the nightly recount of balances
TASK_RUNS, WATERMARKS = "ops.task_attempts", "ops.watermarks"
ROW_BALANCE, LATEST_BALANCE = "ops.row_reconciliation", "ops.row_reconciliation_latest"
DRIFT, STORES, AUDITS = "ops.drift", "ops.quarantined_by_store", "ops.audits"
# By name, the comment and the query of each view. Filters on a view prune the files of `ops.runs`, because rows are
# numbered within the columns that people filter by.
_VIEWS = {
    TASK_RUNS: (
        "What each successful try of a task did: one row per try.",
        """SELECT layer, name, ingestion_date, dag_run_id, try_number, databricks_run_id, code_version,
  contract_version, built_with, rows_read, rows_written, rows_updated, rows_superseded, rows_duplicate,
  rows_quarantined, batches, versions_before, versions_after, started_at,
  (unix_micros(ended_at) - unix_micros(started_at)) / 1000000D AS seconds
FROM (SELECT *, row_number() OVER (PARTITION BY layer, name, ingestion_date, databricks_run_id ORDER BY ended_at DESC)
  AS _newest FROM {runs} WHERE is_success AND layer IN ('bronze', 'silver', 'gold'))
WHERE _newest = 1""",
    ),
    ROW_BALANCE: (
        "What became of the records of a feed and date: one row per check.",
        """SELECT DISTINCT name, balance.*, silver_version, databricks_run_id, ended_at AS checked_at
FROM (SELECT name, explode(balances) AS balance, silver_version, databricks_run_id, ended_at
  FROM {runs} WHERE layer IN ('silver', 'recount'))""",
    ),
    LATEST_BALANCE: (
        "The current balance of each feed and date, from its newest check.",
        """SELECT * EXCEPT (_newest) FROM (SELECT *, row_number() OVER (
  PARTITION BY name, ingestion_date ORDER BY silver_version DESC, checked_at DESC) AS _newest FROM {balances})
WHERE _newest = 1""",
    ),
    WATERMARKS: (
        "The newest commit of each source that a GOLD table has taken in, and the commit of the table that has it.",
        """SELECT target, source, max_by(version, ended_at) AS version
FROM (SELECT concat('gold.', name) AS target, explode(taken) AS (source, version), ended_at
  FROM {runs} WHERE layer = 'gold')
GROUP BY target, source""",
    ),
    DRIFT: (
        "Fields of a feed and date that differ from the contract, per run of BRONZE.",
        """SELECT DISTINCT name, ingestion_date, field.*, databricks_run_id, ended_at AS noticed_at
FROM (SELECT name, ingestion_date, explode(drift) AS field, databricks_run_id, ended_at
  FROM {runs} WHERE layer = 'bronze')""",
    ),
    STORES: (
        "Stores with invalid records, per feed and date; the rows of the latest checked_at count.",
        """SELECT DISTINCT name, ingestion_date, store.*, databricks_run_id, ended_at AS checked_at
FROM (SELECT name, ingestion_date, explode(stores) AS store, databricks_run_id, ended_at
  FROM {runs} WHERE layer = 'silver')""",
    ),
    AUDITS: (
        "The findings of the audits of each publication.",
        """SELECT DISTINCT finding.*, databricks_run_id, ended_at AS audited_at
FROM (SELECT explode(findings) AS finding, databricks_run_id, ended_at FROM {runs} WHERE layer = 'publish')""",
    ),
}


@dataclass(frozen=True)
class Counts:
    """The numbers that a job reports; None where a number has no meaning for its layer."""

    rows_read: int | None = None
    rows_written: int | None = None
    rows_updated: int | None = None
    rows_superseded: int | None = None
    rows_duplicate: int | None = None
    rows_quarantined: int | None = None
    batches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = {column.name: getattr(self, column.name) for column in _COUNTS}
        return ", ".join(f"{name} {count:,}" for name, count in said.items() if count is not None)


def create(tables: Tables) -> None:
    """Create or update the table `ops.runs` and its views.

    Raises: TableError where a table of an earlier version has the name of a view.
    """
    digest, found = md5(repr(_VIEWS).encode()).hexdigest(), tables.properties(RUNS.name) or {}
    if (found.get(CONTRACT), found.get(_HAS_VIEWS)) == (table_digest(RUNS), digest):
        return
    schema.create(tables, [RUNS])
    for name, (comment, query) in _VIEWS.items():
        if tables.properties(name) is not None and not tables.is_view(name):
            raise schema.TableError(
                f"{name} is a table of an earlier version; it is a view of {RUNS.name} now. "
                f"Drop {', '.join(_VIEWS)}, then replay all dates; GOLD compares itself with its sources."
            )
        schema.create_view(
            tables, name, comment, query.format(runs=tables.path(RUNS.name), balances=tables.path(ROW_BALANCE))
        )
    tables.set_property(RUNS.name, _HAS_VIEWS, digest)


def built_with(layer: str, contract: FeedContract | GoldContract) -> str:
    """Return the fingerprint of the contract and the code that build the rows of a table."""
    make = {"bronze": fingerprints.of_bronze, "silver": fingerprints.of_silver, "gold": fingerprints.of_gold}[layer]
    return make(contract, _PACKAGE)


def record(
    tables: Tables,
    run: Run,
    contract: FeedContract | GoldContract | None,
    counts: Counts,
    *,
    writes: Iterable[Write] = (),
    is_success: bool = True,
    **known: Any,
) -> None:
    """Append the row of a run to `ops.runs`.

    Args:
        contract: None for a run that builds no table.
        writes: the writes of the run, in order.
        known: further columns of `ops.runs` that the layer fills.
    """
    versions = _versions(writes)
    row = {
        **dict.fromkeys(RUNS.column_names),
        **{"layer": run.layer, "name": run.name, "ingestion_date": run.date, "dag_run_id": run.dag_run_id},
        **{"try_number": run.try_number, "databricks_run_id": run.databricks_run_id, "code_version": installed()},
        **({"contract_version": contract.version, "built_with": built_with(run.layer, contract)} if contract else {}),
        **{"is_success": is_success, **{column.name: getattr(counts, column.name) for column in _COUNTS}},
        **{"batches": counts.batches, "versions_before": {name: made[0] - 1 for name, made in versions.items()}},
        **{"versions_after": {name: made[-1] for name, made in versions.items()}},
        **{"started_at": run.started_at, "ended_at": datetime.now(UTC), **known},
    }
    tables.append_rows([row], RUNS, note=f"{run.layer}.{run.name}")
    if contract:
        print(f"{run.layer}.{run.name} {run.date}: {counts}")


def _versions(writes: Iterable[Write]) -> dict[str, list[int]]:
    """Return the commits of each written table, in order."""
    versions: dict[str, list[int]] = {}
    for write in writes:
        if write.versions:
            versions.setdefault(write.table, []).extend(write.versions)
    return versions


def print_unchanged(what: str, databricks_run_id: str = "before") -> None:
    """Print that a run had nothing to do. It appends no row: the row of the run that did the work stays the newest."""
    print(f"{what}: nothing to do; inputs, contract, code and tables are as the run {databricks_run_id} left them")


def recent(
    tables: Tables,
    condition: SparkColumn,
    columns: Sequence[str | SparkColumn],
    is_enough: Callable[[list[Row]], object],
    always: SparkColumn | None = None,
) -> list[Row]:
    """Return the rows of `ops.runs` of the last week that meet a condition; all rows if `is_enough` rejects those.

    Args:
        columns: of the result, which also has `ended_at`.
        always: rows that meet this condition are returned whatever their age.
    """
    rows = tables.read(RUNS.name).where(condition).select(*columns, "ended_at")
    is_new = F.col("ended_at") > F.lit(datetime.now(UTC) - timedelta(days=7))
    found = rows.where(is_new if always is None else is_new | always).collect()
    return found if is_enough(found) else rows.collect()


def of(layer: str, *names: str) -> SparkColumn:
    """Return the condition for rows of `ops.runs` of a layer and these names. It prunes by partition."""
    return (F.col("layer") == layer) & F.col("name").isin(*names)


def taken(tables: Tables, targets: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return per GOLD table and source the commit that the newest run has taken in, and the table's own commit with it.

    A table without a run has an empty dict. Of two runs at once, the run that recorded later counts, even if it has
    taken in less; the next run then only processes more than necessary. Commits of a recreated table start at 0 again.
    """
    wanted = {name.removeprefix("gold.") for name in targets}
    rows = recent(
        tables,
        of("gold", *sorted(wanted)) & F.col("taken").isNotNull(),
        ["name", "taken"],
        lambda found: {row.name for row in found} == wanted,
    )
    newest = {f"gold.{row.name}": row.taken for row in sorted(rows, key=lambda row: row.ended_at)}
    return {f"gold.{name}": newest.get(f"gold.{name}", {}) for name in wanted}


def taken_by(tables: Tables, contract: GoldContract, day: date) -> tuple[dict[str, int], bool]:
    """Return the same for one GOLD table, and whether the run log has a run of it for that date."""
    columns = ["ingestion_date", "taken"]
    rows = recent(tables, of("gold", contract.name), columns, lambda rows: any(row.taken for row in rows))
    newest = max((row for row in rows if row.taken), key=lambda row: row.ended_at, default=None)
    return (newest.taken if newest else {}), any(row.ingestion_date == day for row in rows)


def has_taken_more(tables: Tables, name: str, now: Mapping[str, int], since: datetime, recorded: int) -> bool:
    """Return whether another run of a GOLD table has recorded since then that it has taken in more than `now`.

    Args:
        recorded: how often the calling run has recorded itself. Usually the newest commits show that no other run has.
    """
    commits = tables.recent_commits(RUNS.name)
    later = [commit for commit in commits if commit.at >= since.timestamp() * 1e6]
    if len(later) < len(commits) and sum(commit.note == name for commit in later) <= recorded:
        return False
    rows = tables.read(RUNS.name).where(of("gold", name.removeprefix("gold.")) & (F.col("ended_at") >= F.lit(since)))
    known = [row.taken for row in rows.where("taken IS NOT NULL").select("taken").collect()]
    return any(taken.get(source, 0) > version for taken in known for source, version in now.items())


def checked(tables: Tables, feeds: Iterable[str]) -> dict[str, int]:
    """Return per feed the commit of SILVER that the newest check covers. Feeds without a check are left out."""
    wanted = set(feeds)
    rows = recent(
        tables,
        of("silver", *sorted(wanted)) & F.col("silver_version").isNotNull(),
        ["name", "silver_version"],
        lambda found: {row.name for row in found} == wanted,
    )
    return {row.name: row.silver_version for row in sorted(rows, key=lambda row: row.ended_at)}
