"""dbt's marts over GOLD, once for each day that is whole in GOLD.

**What it does.** A task for each model of `include/dbt/retailflow`: it builds the mart from what readers see, and then
runs its tests.

**Normal.** All green, within minutes after the day. A model that fails stops only what is built from it. On a laptop it
is triggered by hand: seven starts of dbt take as long as the day.

**Safe to clear.** Every task, at any time: the same GOLD gives the same marts.

**Where to look.** The task's log is dbt's own.

**Why beside the daily DAG.** GOLD is whole and published without the marts: a model that an analyst changed must not
turn a day of data red.

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
    description="dbt's models over GOLD.",
    doc_md=__doc__,
    schedule=None if env.schedule.last_date else GOLD_DAY,
    max_active_tasks=2,
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY),
):
    marts(env)
