"""What each run did: one row of ops.task_runs per successful try, written by the job itself as its last act."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from retailflow import fingerprints
from retailflow.contracts import Column, EntityContract, GoldContract, Table
from retailflow_spark.job import Run
from retailflow_spark.tables import Tables

_PACKAGE = Path(__file__).parent
_COUNTS = (
    Column("rows_read", "BIGINT", "Records or rows the run looked at."),
    Column("rows_written", "BIGINT", "Rows it inserted, updated or replaced."),
    Column("rows_superseded", "BIGINT", "Records of the date that lost to another of their key."),
    Column("rows_duplicate", "BIGINT", "Records of the date that lost to an equal one of the date."),
    Column("rows_quarantined", "BIGINT", "Records of the date that break the contract."),
)
TASK_RUNS = Table(
    name="ops.task_runs",
    description="What each successful try of a task did. Describes runs, so running again adds rows.",
    columns=(
        Column("layer", "STRING", "bronze, silver or gold.", required=True),
        Column("name", "STRING", "Entity or GOLD table.", required=True),
        Column("ingestion_date", "DATE", "The date the run was for.", required=True),
        Column("dag_run_id", "STRING", "Airflow's run."),
        Column("try_number", "INT", "Airflow's try, from 1."),
        Column("databricks_run_id", "STRING", "The try as Databricks numbers it; unique.", required=True),
        Column("code_version", "STRING", "Version of our wheel.", required=True),
        Column("contract_version", "STRING", "Version of the contract.", required=True),
        Column("built_with", "STRING", "Digest of the contract and the code that made the rows."),
        *_COUNTS,
        Column("batches", "ARRAY<STRING>", "Batches of RAW that the run read (BRONZE only)."),
        Column("versions_before", "MAP<STRING, BIGINT>", "Per table written, its Delta version before."),
        Column("versions_after", "MAP<STRING, BIGINT>", "Per table written, its Delta version after."),
        Column("started_at", "TIMESTAMP", "When the job's code started.", required=True),
        Column("seconds", "DOUBLE", "From then to this row.", required=True),
    ),
    key=("databricks_run_id",),
    partition=("ingestion_date",),
)


@dataclass(frozen=True)
class Counts:
    """What a job says of its work; None where a number has no meaning for its layer."""

    rows_read: int | None = None
    rows_written: int | None = None
    rows_superseded: int | None = None
    rows_duplicate: int | None = None
    rows_quarantined: int | None = None
    batches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = {column.name: getattr(self, column.name) for column in _COUNTS}
        return ", ".join(f"{name} {count:,}" for name, count in said.items() if count is not None)


def built_with(layer: str, contract: EntityContract | GoldContract) -> str:
    """What a run of this code builds the rows of a table with."""
    make = {"bronze": fingerprints.of_bronze, "silver": fingerprints.of_silver, "gold": fingerprints.of_gold}[layer]
    return make(contract, _PACKAGE)


def record(tables: Tables, run: Run, contract: EntityContract | GoldContract, counts: Counts) -> None:
    """Add the run's row, once: a commit that landed while its answer was lost is not repeated."""
    tables.create([TASK_RUNS])
    before = {name: first - 1 for name, (first, _) in tables.commits.items()}
    after = {name: last for name, (_, last) in tables.commits.items()}
    row = {
        **{"layer": run.layer, "name": run.name, "ingestion_date": run.date, "dag_run_id": run.dag_run_id},
        **{"try_number": run.try_number, "databricks_run_id": run.databricks_run_id},
        **{"code_version": code_version(), "contract_version": contract.version},
        **{"built_with": built_with(run.layer, contract)},
        **{column.name: getattr(counts, column.name) for column in _COUNTS},
        **{"batches": counts.batches, "versions_before": before, "versions_after": after},
        **{"started_at": run.started_at, "seconds": (datetime.now(UTC) - run.started_at).total_seconds()},
    }
    tables.append_once([row], TASK_RUNS, f"task_runs/{run.databricks_run_id}")
    print(f"{run.layer}.{run.name} {run.date}: {counts or 'nothing to do'}")


def code_version() -> str:
    try:
        return version("retailflow")
    except PackageNotFoundError:  # a checkout that is on the path without being installed
        return "unknown"
