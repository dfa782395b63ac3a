"""Shows readers what was built of GOLD, without waiting for a day to end.

**What it does.** `publish` does what `gold.publish` of the daily DAG does.

**When.** A daily run publishes as its last act. While one of its feeds is late or a task waits for its next try,
`retailflow_watch` triggers this DAG once for what is built and not published. Trigger it yourself after a repair.

**Safe to clear.** Always; where nothing new was built it changes nothing.

**Where to look.** The task's log names the tables that were published and those that an audit holds back.

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
    description="What was built of GOLD is shown to readers.",
    doc_md=__doc__,
    schedule=None,
    **defaults(env, Impact.TIER_1, Triage.AT_ONCE),
):
    publication(env, RUN_DATE)
