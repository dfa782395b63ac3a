"""Cancels Databricks runs that no task waits for any more.

**What it does.** Each hour `reap` compares the active Databricks runs that have our naming scheme with the states of
their tasks in Airflow. It cancels the runs whose try has ended, for example because a worker was lost before it could
cancel its run.

**Normal.** It finds nothing. It does not touch runs of other environments, or runs that this Airflow does not know.

**Safe to clear.** Always.

**Where to look.** The log of `reap` names each run that it cancels, with a link to the run. Without this DAG, the
run's own `timeout_seconds` would end it.

**Reads** the active runs of Databricks, and the states of their tasks. **Writes** nothing; it cancels runs.
"""

from airflow.sdk import DAG, task

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.reaper import reap
from retailflow_airflow.schedule import timetable

env = load_environment()

with DAG(
    dag_id="retailflow_reaper",
    description="Cancels Databricks runs whose try has ended in Airflow.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "50 * * * *"),
    **defaults(env, Impact.TIER_3, Triage.IF_IT_REPEATS, runs_all_day=True),
):
    task(reap)(env.name)
