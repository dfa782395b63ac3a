"""Builds dbt's marts from GOLD, once for each day that is complete in GOLD.

**What it does.** Each model of `include/dbt/retailflow` is a task. It builds the mart from the published tables, and
then runs its tests.

**Normal.** All green, within minutes after the day is complete. A model that fails stops only the models built from it.
On a laptop, trigger the DAG by hand: seven starts of dbt take as long as the daily run.

**Safe to clear.** Every task, at any time: the same GOLD gives the same marts.

**Where to look.** The task's log is dbt's log.

**Why not in the daily DAG.** GOLD is complete and published without the marts. A model that an analyst changed must not
make the daily run fail.

**Reads** the views `gold.*`. **Writes** `marts.*`.
"""

from airflow.sdk import DAG

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.marts import marts
from retailflow_airflow.wiring import GOLD_DAY

env = load_environment()

with DAG(
    dag_id="retailflow_marts",
    description="Builds dbt's models from GOLD.",
    doc_md=__doc__,
    schedule=None if env.schedule.last_date else GOLD_DAY,
    max_active_tasks=2,
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY),
):
    marts(env)
