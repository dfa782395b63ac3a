"""The job monitor: record every Databricks run that has ended, as Databricks reports it, in ops.databricks_task_runs.

The run log has only the runs that a job itself recorded. This table also has runs that failed, were cancelled or never
started, with their compute time.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from retailflow.contracts import Column, Table
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun, RunTask

JOB_RUNS = Table(
    name="ops.databricks_task_runs",
    description="Databricks runs that have ended, one row per attempt at a task.",
    columns=(
        Column("databricks_run_id", "STRING", "Run of a task, as in ops.task_attempts.", required=True),
        Column("run_id", "STRING", "The run that the task belongs to.", required=True),
        Column("run_name", "STRING", "DAG, task, date and try, as submitted.", required=True),
        Column("result", "STRING", "How it ended, for example SUCCESS, FAILED, TIMEDOUT, CANCELED.", required=True),
        Column("message", "STRING", "What Databricks says about the end."),
        Column("compute", "STRING", "serverless, pool, cluster, or the id of an existing cluster.", required=True),
        Column("workers", "INT", "Workers of the run's own cluster; null where Databricks scales."),
        Column("tags", "MAP<STRING, STRING>", "Cost tags of the run's own cluster."),
        Column("started_at", "TIMESTAMP", "When it was submitted.", required=True),
        Column("ended_at", "TIMESTAMP", "When it ended.", required=True),
        Column("setup_seconds", "DOUBLE", "Waiting for compute.", required=True),
        Column("execution_seconds", "DOUBLE", "Running.", required=True),
        Column("run_page_url", "STRING", "Its page in Databricks."),
    ),
    key=("databricks_run_id",),
)
_OVERLAP = timedelta(days=1)  # longer than any run may last, so it misses no run that was still in progress
_KEPT = timedelta(days=59)  # Databricks removes a run from runs/list after 60 days


def record_job_runs(tables: Tables, client: "WorkspaceClient") -> int:
    """Add the runs that have ended since the last call, whoever submitted them. Returns how many are new.

    Safe to repeat and to run twice at once: a run that is recorded already does not change.
    """
    create(tables, [JOB_RUNS])
    newest = tables.read(JOB_RUNS.name).agg(F.max(F.unix_seconds("started_at"))).first()[0]
    since = datetime.fromtimestamp(newest, UTC) - _OVERLAP if newest else datetime.now(UTC) - _KEPT
    ended = client.jobs.list_runs(completed_only=True, expand_tasks=True, start_time_from=int(since.timestamp() * 1000))
    rows = list(rows_of(ended))
    return tables.insert_if_absent(rows, JOB_RUNS) if rows else 0


def rows_of(runs: Iterable["BaseRun"]) -> Iterator[dict[str, Any]]:
    """Yield one row per attempt at each task of each run. A task that never started has no end of its own."""
    for run in runs:
        for task in run.tasks or ():
            cluster = task.new_cluster
            yield {
                "databricks_run_id": str(task.run_id),
                "run_id": str(run.run_id),
                "run_name": run.run_name,
                "result": _result(task),
                "message": (task.state and task.state.state_message) or None,
                "compute": _compute(task),
                "workers": cluster.num_workers if cluster else None,
                "tags": dict(cluster.custom_tags or {}) if cluster else {},
                "started_at": _moment(run.start_time),
                "ended_at": _moment(task.end_time or run.end_time or run.start_time),
                "setup_seconds": (task.setup_duration or 0) / 1000,
                "execution_seconds": (task.execution_duration or 0) / 1000,
                "run_page_url": run.run_page_url,
            }


def _result(task: "RunTask") -> str:
    """Return the result; for a run without a result, the state in which it ended."""
    state = task.state
    return (state.result_state or state.life_cycle_state).value if state else "UNKNOWN"


def _compute(task: "RunTask") -> str:
    if task.existing_cluster_id:
        return task.existing_cluster_id
    if task.new_cluster:
        return "pool" if task.new_cluster.instance_pool_id else "cluster"
    return "serverless"


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
