"""Run the job monitor: `monitor.py --env E --run-id ID` records the Databricks runs that have ended."""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import databricks_run_id, options, spark_session
from retailflow_spark.job.secrets import workspace_client
from retailflow_spark.ops.databricks_task_runs import record_job_runs

if __name__ == "__main__":
    given = options({"run-id": databricks_run_id})
    with spark_session() as spark:
        count = record_job_runs(Tables.of(spark, given.env), workspace_client())
    print(f"ops.databricks_task_runs: {count} task runs have ended since the last time")
