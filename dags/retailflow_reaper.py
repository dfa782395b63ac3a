"""Ends Databricks runs that nobody waits for any more.

**What it does.** Each hour `reap` compares the active Databricks runs that are named like ours with the states of their
tasks in Airflow, and cancels those whose try has ended, as when a worker was lost before it could cancel its run.

**Normal.** It finds nothing. Runs of other environments and those that this Airflow does not know stay as they are.

**Safe to clear.** Always.

**Where to look.** The log of `reap` names each run that it cancels, with its page. Without it such a run ends by its
own `timeout_seconds`.

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
