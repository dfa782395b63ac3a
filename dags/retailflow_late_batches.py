"""Finds batches that arrived after their day had run, and triggers a replay of those days.

**What it does.** Each hour `plan` compares the names of the batches in RAW with the batches that BRONZE has read
according to the run log. It looks at the last seven finished days; once a day, at 05:20 UTC, it looks at all dates
since the schedule's first. If it finds unread batches, `replay` triggers `retailflow_replay` with the selection *late*,
from the first to the last date found.

**Why two DAGs.** The replay makes its own plan when its turn comes, so a batch that is found twice is replayed once.
Its list of runs shows only rebuilds, not every hour in which nothing was found.

**Normal.** Nothing is found: `replay` is skipped and the run is a success.

**Other dates.** Trigger the DAG with dates in the form. A date that has never run is not late but missing;
`retailflow_watch` finds it.

**Safe to clear.** Every task, at any time.

**Where to look.** The log of `read_found` says what was found; the runs of `retailflow_replay` show the result.

**Reads** the run log, names in RAW, quarantine. **Writes** nothing itself; it triggers `retailflow_replay` and
`retailflow_publish`.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from retailflow.contracts import feeds
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.replay import MACROS, date_fields, plan_task, read_late
from retailflow_airflow.schedule import timetable

env = load_environment().unhurried()

with DAG(
    dag_id="retailflow_late_batches",
    description="Replays days for which a batch arrived late.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "20 * * * *"),
    params=date_fields(),
    **defaults(env, Impact.TIER_2, Triage.IF_IT_REPEATS, MACROS, runs_all_day=True),
):
    plan = plan_task(env, "late", ",".join(feed.name for feed in feeds()))
    found = task.short_circuit(read_late, task_id="read_found")(plan.output["run_id"])
    found >> TriggerDagRunOperator(
        task_id="replay",
        trigger_dag_id="retailflow_replay",
        conf={
            "selection": "late",
            "date_from": "{{ found_dates(ti)[0] }}",
            "date_to": "{{ found_dates(ti)[1] }}",
            "dry_run": False,
        },
        doc_md="""Triggers `retailflow_replay` for the dates that were found.

- **Reads** nothing; **writes** nothing itself, and does not wait.
- **Safe to clear**: always; the replay makes its own plan.
- **Where to look**: the newest runs of `retailflow_replay`.
""",
    )
