"""The job monitor on the local Jobs API and real Delta."""

import sys
from datetime import UTC, datetime

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import (
    BaseRun,
    JobEnvironment,
    RunLifeCycleState,
    RunState,
    RunTask,
    SparkPythonTask,
    SubmitTask,
)

from retailflow_spark.ops.databricks_task_runs import record_job_runs, rows_of


def test_a_task_that_never_started_ends_with_its_run():
    skipped = RunTask("complete", run_id=2, state=RunState(life_cycle_state=RunLifeCycleState.SKIPPED))
    (row,) = rows_of([BaseRun(run_id=1, run_name="a", start_time=1_000, end_time=61_000, tasks=[skipped])])
    assert (row["result"], row["ended_at"]) == ("SKIPPED", datetime(1970, 1, 1, 0, 1, 1, tzinfo=UTC))


def test_every_ended_run_is_recorded_once_with_its_result(workspace, tables):
    client = WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token)

    def ended(name: str, *parameters: str) -> str:
        task = SparkPythonTask(workspace.release.script("bronze"), parameters=list(parameters))
        only = SubmitTask("only", spark_python_task=task, environment_key="default")
        environment = JobEnvironment("default", Environment(environment_version="5"))
        waiter = client.jobs.submit(run_name=name, tasks=[only], environments=[environment])
        try:
            waiter.result()
        except Exception as error:  # the SDK raises for a run that failed
            print(error, file=sys.stderr)
        return str(client.jobs.get_run(waiter.run_id).tasks[0].run_id)

    first = ended("monitored/first", "--env", "nowhere")
    record_job_runs(tables, client)
    second = ended("monitored/second")
    for _ in range(2):
        record_job_runs(tables, client)
    rows = {row.databricks_run_id: row for row in tables.read("ops.databricks_task_runs").collect()}
    assert tables.read("ops.databricks_task_runs").count() == len(rows)
    assert (rows[first].run_name, rows[second].run_name) == ("monitored/first", "monitored/second")
    attempts = [row.result for row in rows.values() if row.run_name == "monitored/first"]
    assert attempts == ["FAILED"] * 2  # Databricks repeats what fails, and both took compute time
    assert rows[first].result == "FAILED"
    assert rows[first].message == "Workload failed, see run output for details"  # as Databricks says
    assert rows[first].compute == "serverless"
    assert rows[first].ended_at >= rows[first].started_at
