"""Records all Databricks runs: how each one ended, how long it waited and worked, and on which compute.

**What it does.** Every 6 hours one job asks Databricks for the runs that have ended and adds the new ones to
`ops.databricks_task_runs`.

**Normal.** Takes minutes. Databricks keeps its own list for only 60 days.

**Safe to clear.** Always; a run that is already recorded stays as it is.

**Where to look.** `SELECT * FROM ops.databricks_task_runs WHERE result <> 'SUCCESS' ORDER BY ended_at DESC`.

**Reads** Databricks' list of runs. **Writes** `ops.databricks_task_runs`.
"""

from airflow.sdk import DAG

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission

env = load_environment().unhurried()

with DAG(
    dag_id="retailflow_job_monitor",
    description="Records finished Databricks runs in ops.databricks_task_runs.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "40 */6 * * *"),
    **defaults(env, Impact.TIER_3, Triage.IF_IT_REPEATS, runs_all_day=True),
):
    spark_task(
        env,
        "record",
        submission(env, "monitor", ["--run-id", DATABRICKS_RUN], RUN_DATE),
        """Adds the Databricks runs that have ended to `ops.databricks_task_runs`.

- **Reads** Databricks' list of runs; **writes** `ops.databricks_task_runs`.
- **Safe to clear**: always.
""",
    )
