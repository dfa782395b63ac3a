"""Sends mails about tables that miss their deadline, about days that were never run, and about their recovery.

**What it does.** Every 5 minutes `check_deadlines` compares the time with the deadlines of the day before (from the
contracts' `timeOfAvailability`) and with the states of the tasks of `retailflow_daily`. It sends one mail about a late
table, with the task that delays it, and one more when the table has arrived. A daily run that never started is late
too.

**What it queries.** It asks Airflow on each run. It asks the SQL warehouse only about a late table, and only if the
answer may have changed: each query starts the warehouse.

**Missing days.** It also finds each scheduled day since the first that has no finished run, whatever the cause: an
Airflow outage, the paused DAG, a deleted run, a cancelled backfill. It sends one mail, with the command that runs these
days, and one more when they have run. It asks only about open days, so each run stays short. If the schedule has ended,
as on a laptop, no day is missing.

**Publication.** While a daily run waits for a late feed, or for the retry of a failed task, it triggers
`retailflow_publish` for the tables that are built: once, and once more for each feed that arrives while others are
still late.

**Failures.** This DAG does not report failed tasks: a task whose last try has failed sends its own mail at once. It
reports only a failed task that could not send a mail itself.

**Normal.** Nothing is late and nothing is sent. If a run of this DAG does not end within 15 minutes, Airflow's
triggerer sends a mail, because then no worker could report anything.

**Another day.** Trigger the DAG with an `ingestion_date` in the form.

**Safe to clear.** Always.

**Where to look.** The log of `check_deadlines`; the Variable `retailflow_watch` says which mails were sent.

**Reads** the states of `retailflow_daily` in Airflow, and the run log. **Writes** e-mails, and the Variable
`retailflow_watch`.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, task

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.schedule import timetable
from retailflow_airflow.watch import check_deadlines, own_deadline

env = load_environment()

with DAG(
    dag_id="retailflow_watch",
    description="Sends e-mails about tables that miss their deadline and days without a finished run.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "*/5 * * * *"),
    deadline=own_deadline(env),
    params={
        "ingestion_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Ingestion date",
            description="The day to look at, for example 2026-01-15; empty: yesterday.",
        )
    },
    **defaults(env, Impact.TIER_1, Triage.AT_ONCE, runs_all_day=True),
):
    found = task.short_circuit(check_deadlines, execution_timeout=timedelta(minutes=10))(env.name)
    found >> TriggerDagRunOperator(
        task_id="publish",
        trigger_dag_id="retailflow_publish",
        doc_md="""Triggers `retailflow_publish` for the tables that are built while a daily run waits.

- **Reads** nothing; **writes** nothing itself, and does not wait.
- **Safe to clear**: always; if nothing new was built, nothing changes.
- **Where to look**: the newest run of `retailflow_publish`.
""",
    )
