"""Rebuilds days from the present content of RAW.

**What it does.** `plan` finds the dates to rebuild, and `read_plan` logs what they cost. Then `bronze.feed` and
`silver.feed` run once for each feed and date. `gold.*` run for the tables that are built from one of these feeds.
SILVER of a date waits only for BRONZE of the same date; GOLD waits for all dates.

**Normal.** Never waits for a delivery: a date that is not complete in RAW is left to the daily run. Tasks that the form
did not choose, or that the plan does not affect, are skipped. A dry run, or a run that finds nothing, ends after
`read_plan` and is a success.

**Use it.** Trigger the DAG with two dates and the form's defaults: a dry run of all layers. Then trigger it again
without *Dry run*. An invalid form fails `plan` at once, with a message. A run is safe to repeat, also beside a daily
run: if RAW and the contract are the same, it changes nothing, and an old day never undoes a newer one.

**Safe to clear.** Every task, at any time. Clear `plan` together with its downstream tasks, so that all of them use one
plan.

**Where to look.** The log of `read_plan`; a failed task's log ends with the job's log. If a date fails, GOLD does not
run; the other dates are done.

**Reads** RAW, the run log. **Writes** the chosen dates of BRONZE and SILVER, GOLD, `ops.runs`, `ops.releases`.
"""

from airflow.sdk import DAG, task, task_group

from retailflow.contracts import feeds
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.replay import (
    MACROS,
    PLANNED_DATE,
    REBUILD_DOC,
    chosen,
    feed_task,
    only_with,
    plan_task,
    read_plan,
    trigger_form,
)
from retailflow_airflow.wiring import gold_tasks

env = load_environment()
REBUILD = f"{REBUILD_DOC}- **Skipped** if the form did not choose the layer {{layer}}.\n"

with DAG(
    dag_id="retailflow_replay",
    description="Rebuilds days from RAW: a range, late batches, or records that an older contract refused.",
    doc_md=__doc__,
    schedule=None,
    params=trigger_form(),
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY, MACROS),
):
    plan = plan_task(env)
    items = task.short_circuit(read_plan)(plan.output["run_id"])

    @task_group(prefix_group_id=False)
    def rebuild(item):
        """Rebuild one feed and date of the plan."""
        bronze, silver = (
            feed_task(env, layer, REBUILD.format(layer=layer), **chosen(layer)) for layer in ("bronze", "silver")
        )
        bronze >> silver
        return silver

    silver = rebuild.expand(item=items)
    makers = {feed.name: silver for feed in feeds()}
    gold, _ = gold_tasks(env, makers, publish=only_with("gold"), date=PLANNED_DATE, **chosen("gold"))
    items >> gold
