"""Erases customers: from RAW, from every table, and from the files of older versions.

**What it does.** `find` takes down who is asked for and looks for them in BRONZE, with all who were asked for before,
since a source may send a person again. For each entity and date where they are, `redact.entity` writes RAW anew without
them, and `bronze.entity` and `silver.entity` rebuild the date; `gold.*` follow. `finish` proves that no table holds
them, and deletes the files of older versions once these have been replaced for some hours.

**Normal.** Each night at 08:00 UTC; most nights only `find` and `finish` run. A request takes two nights: one to be
gone from what anybody can read, one more for older versions. RAW may be immutable for some days longer; a request stays
open until then. `ops.erasures` says how far each is, `ops.redactions` what was redacted.

**Use it.** Trigger it with the SHA-256 of the customer ids, never with the ids: a form's values are kept
(docs/runbooks/erase_a_customer.md).

**What becomes of a record** stands in its contract: `erasure: remove`, or `anonymise` where the sale has to stay.

**Safe to clear.** Every task, at any time. What is redacted cannot be brought back.

**Where to look.** `finish` says where somebody still is; a failed task's log ends with the job's own.
"""

from airflow.sdk import DAG, task, task_group

from retailflow.contracts import entities
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.erase import CUSTOMERS, HOURS, form, read_plan
from retailflow_airflow.replay import MACROS, PLANNED_DATE, REBUILD_DOC, entity_task
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission
from retailflow_airflow.wiring import gold_tasks

env = load_environment()
FIND = """Takes down who is to be erased, and finds them.

- **Reads** BRONZE of the feeds with people in them; **writes** `ops.erasures`.
- **Safe to clear**: always, and with it what follows.
"""
FINISH = """Proves that no table holds them, and deletes the files of older versions.

- **Reads** all tables with people in them; **writes** `ops.erasures`, and changes no row of any other.
- **Safe to clear**: always.
"""
REDACT = """RAW of one entity and date without those to be erased: a redacted batch first, then the old file goes.

- **Reads** `bronze.<entity>` for their places; **writes** RAW and `ops.redactions`.
- **Safe to clear**: always, each index by itself.
"""

with DAG(
    dag_id="retailflow_erase",
    description="Customers erased from RAW, from all tables, and from their older versions.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "0 8 * * *"),
    params=form(),
    **defaults(env, MACROS),
):
    find = spark_task(env, "find", submission(env, "erase_find", ["--customers", CUSTOMERS], RUN_DATE), FIND)
    items = task.short_circuit(ignore_downstream_trigger_rules=False)(read_plan)(find.output["run_id"])

    @task_group(prefix_group_id=False)
    def rebuild(item):
        """One entity and date of the plan."""
        redact = entity_task(env, "redact", REDACT)
        bronze, silver = (entity_task(env, layer, REBUILD_DOC.format(layer=layer)) for layer in ("bronze", "silver"))
        redact >> bronze >> silver
        return silver

    silver = rebuild.expand(item=items)
    gold = gold_tasks(env, {entity.name: silver for entity in entities()}, date=PLANNED_DATE)
    items >> list(gold.values())
    finish = submission(env, "erase_finish", ["--settled-hours", HOURS, "--run-id", DATABRICKS_RUN], RUN_DATE)
    list(gold.values()) >> spark_task(env, "finish", finish, FINISH, trigger_rule="none_failed")
