"""Publishes the GOLD tables that are built, without waiting for a daily run to end.

**What it does.** `publish` does the same as `gold.publish` of the daily DAG.

**When.** A daily run publishes at its end. While one of its feeds is late or a task waits for its next try,
`retailflow_watch` triggers this DAG once for the tables that are built and not published. Trigger it yourself after a
repair.

**Safe to clear.** Always; if nothing new was built, it changes nothing.

**Where to look.** The task's log names the tables that were published and the tables that an audit blocks.

**Reads** what changed in GOLD since the last release. **Writes** `ops.releases`, and the views that readers see.
"""

from airflow.sdk import DAG

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.submit import RUN_DATE, publication

env = load_environment()

with DAG(
    dag_id="retailflow_publish",
    description="Publishes the GOLD tables that are built.",
    doc_md=__doc__,
    schedule=None,
    **defaults(env, Impact.TIER_1, Triage.AT_ONCE),
):
    publication(env, RUN_DATE)
