"""Rebuilds days from what RAW holds now.

**What it does.** `plan` finds the dates to rebuild and `read_plan` says in its log what they cost. Then `bronze.entity`
and `silver.entity` run once for each entity and date, and `gold.*` where a table is built from one of these entities.
SILVER of a date waits for the BRONZE of that date alone, GOLD for all of them.

**Normal.** Never waits: a date that is not complete in RAW is left to the daily run. What was not chosen in the form,
or is not concerned, is skipped. A dry run, and one that finds nothing, ends after `read_plan` and is a success.

**Use it.** Trigger it with two dates and the form as it is: a dry run of all layers. Then again without *Dry run*. A
form that makes no sense fails `plan` at once, with a sentence. A run is safe to repeat, also beside a daily run: where
RAW and the contract are the same it changes nothing, and an old day never undoes a newer one.

**Safe to clear.** Every task, at any time; with `plan` also what follows it, so that all have one plan.

**Where to look.** The log of `read_plan`; a failed task's log ends with the job's own. A date that fails
holds back the GOLD of this run; the other dates are done.

**Reads** RAW, the run log. **Writes** the chosen dates of BRONZE and SILVER, GOLD, `ops.runs`, `ops.releases`.
"""

from airflow.sdk import DAG, task, task_group

from retailflow.contracts import entities
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.replay import (
    MACROS,
    PLANNED_DATE,
    REBUILD_DOC,
    chosen,
    entity_task,
    only_with,
    plan_task,
    read_plan,
    trigger_form,
)
from retailflow_airflow.wiring import gold_tasks

env = load_environment()
REBUILD = f"{REBUILD_DOC}- **Skipped** where {{layer}} is not among the layers chosen.\n"

with DAG(
    dag_id="retailflow_replay",
    description="Days rebuilt from RAW: a range, late batches, or what an older contract refused.",
    doc_md=__doc__,
    schedule=None,
    params=trigger_form(),
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY, MACROS),
):
    plan = plan_task(env)
    items = task.short_circuit(read_plan)(plan.output["run_id"])

    @task_group(prefix_group_id=False)
    def rebuild(item):
        """One entity and date of the plan."""
        bronze, silver = (
            entity_task(env, layer, REBUILD.format(layer=layer), **chosen(layer)) for layer in ("bronze", "silver")
        )
        bronze >> silver
        return silver

    silver = rebuild.expand(item=items)
    makers = {entity.name: silver for entity in entities()}
    gold, _ = gold_tasks(env, makers, publish=only_with("gold"), date=PLANNED_DATE, **chosen("gold"))
    items >> gold
