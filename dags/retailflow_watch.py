"""Mails which tables missed their deadline and which days were never run, and when they have come.

**What it does.** Every 5 minutes `check_deadlines` compares the time with the deadlines of the day before, from the
contracts' `timeOfAvailability`, and with the states of the tasks of `retailflow_daily`. A table that is late is mailed
once, with what holds it up; once more when it has come. A daily run that never started is late too.

**What it asks.** Airflow, at each look. The SQL warehouse only about a late table, and only when the answer can have
changed: each question starts the warehouse.

**Days that nobody ran.** It also finds each scheduled day since the first that has no finished run, whatever stopped
it: Airflow, the paused DAG, a run that was deleted, a backfill that was cancelled. It mails them once, with the
command that runs them, and once more when they have run. It asks only about days that are open, so a look stays small.
Where the clock has ended, as on a laptop, no day is missing.

**Publication.** While a daily run waits for a late feed, or to try a failed task again, it has `retailflow_publish`
show readers what is built: once, and once more for each feed that comes while others are still late.

**Failures.** They are not told from here: a task whose last try has failed sends its mail itself, at once.

**Normal.** Nothing is late and nothing is sent. A run of this DAG that does not end within 15 minutes sends a mail by
Airflow's triggerer, because then no worker would tell of anything.

**Another day.** Trigger it and give `ingestion_date` in the form.

**Safe to clear.** Always.

**Where to look.** The log of `check_deadlines`; the Variable `retailflow_watch` says what was sent.

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
    description="E-mails about tables that miss their deadline and days that nobody ran.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "*/5 * * * *"),
    deadline=own_deadline(env),
    params={
        "ingestion_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Ingestion date",
            description="The day to look at, such as 2026-01-15; empty: yesterday.",
        )
    },
    **defaults(env, Impact.TIER_1, Triage.AT_ONCE, runs_all_day=True),
):
    found = task.short_circuit(check_deadlines, execution_timeout=timedelta(minutes=10))(env.name)
    found >> TriggerDagRunOperator(
        task_id="publish",
        trigger_dag_id="retailflow_publish",
        doc_md="""Starts `retailflow_publish` for what is built while a daily run waits.

- **Reads** nothing; **writes** nothing itself, and does not wait.
- **Safe to clear**: always; where nothing new was built nothing changes.
- **Where to look**: the newest run of `retailflow_publish`.
""",
    )
