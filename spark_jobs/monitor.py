"""The job monitor: `monitor.py --env E --run-id ID` adds the Databricks runs that have ended to ops.job_runs."""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import databricks_run_id, options, spark_session
from retailflow_spark.job.secrets import workspace_client
from retailflow_spark.ops.job_runs import record_job_runs

if __name__ == "__main__":
    given = options({"run-id": databricks_run_id})
    with spark_session() as spark:
        count = record_job_runs(Tables.of(spark, given.env), workspace_client())
    print(f"ops.job_runs: {count} task runs have ended since the last time")
