"""Erases customers: from RAW, from every table, and from the files of older versions.

**What it does.** `find` records the requested customers and counts their records in BRONZE and in files of RAW that no
batch names, by feed and by how they were found. Nothing goes until that is confirmed. Then, for each feed and date,
`redact.entity` writes RAW anew without them, and `bronze.entity` and `silver.entity` rebuild the date; `gold.*` follow.
`finish` proves that no table holds them, and deletes the files of older versions once these have been replaced for some
hours.

**Normal.** Each night at 08:00 UTC; most nights only `find` and `finish` run, and without any request they read no
table. A confirmed request takes two nights: one to be gone from what anybody can read, one more for older versions. RAW
may be immutable for some days longer; a request stays open until then. `ops.erasures` says how far each is,
`ops.redactions` what was redacted. A person whom a source sends again is found in what BRONZE has received since.

**Use it.** Trigger it with the SHA-256 of the customer ids, never with the ids: a form's values are kept. Read the
numbers in the output of `find`, then trigger it again with the confirmation that is printed beside them
(docs/runbooks/erase_a_customer.md). Only those whom `privacy_users` of the environment names can do either. An erasure
of few records, by the setting `erasure_unconfirmed_records`, needs no confirmation.

**Strangers.** The events of a browser go with its owner only if no other known customer used it, if it is no
placeholder, and if it has no more events than a person makes (the contract of clickstream). `find` names the others.

**What becomes of a record** is in its contract: `erasure: remove`, or `anonymise` where the sale has to stay. From a
record of somebody else that mentions the person, only the mention goes.

**Safe to clear.** Every task, at any time. What is redacted cannot be brought back.

**Where to look.** The output of `find` has the numbers; `finish` says where somebody still is.

**Reads** BRONZE and RAW of the feeds with people in them. **Writes** RAW, all tables with people in them,
`ops.erasures`, `ops.redactions`.
"""

from airflow.sdk import DAG, task, task_group

from retailflow.contracts import entities
from retailflow.environments import load_environment
from retailflow_airflow import replay
from retailflow_airflow.defaults import defaults
from retailflow_airflow.erase import ASKED, HOURS, MACROS, read_plan, trigger_form
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.replay import PLANNED_DATE, REBUILD_DOC, entity_task
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission
from retailflow_airflow.wiring import gold_tasks

env = load_environment()
FIND = """Records who is to be erased, counts their records, and takes a confirmation.

- **Reads** BRONZE and RAW of the feeds with people in them; **writes** `ops.erasures`.
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
    params=trigger_form(),
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY, {**replay.MACROS, **MACROS}),
):
    asked = [part for option in ASKED.items() for part in option]
    find = spark_task(env, "find", submission(env, "erase_find", asked, RUN_DATE), FIND)
    items = task.short_circuit(ignore_downstream_trigger_rules=False)(read_plan)(find.output["run_id"])

    @task_group(prefix_group_id=False)
    def rebuild(item):
        """One entity and date of the plan."""
        redact = entity_task(env, "redact", REDACT)
        bronze, silver = (entity_task(env, layer, REBUILD_DOC.format(layer=layer)) for layer in ("bronze", "silver"))
        redact >> bronze >> silver
        return silver

    silver = rebuild.expand(item=items)
    makers = {entity.name: silver for entity in entities()}
    rule = {"trigger_rule": "none_failed_min_one_success"}  # where nobody is found, nothing is built
    gold, complete = gold_tasks(env, makers, publish=rule, date=PLANNED_DATE)
    items >> gold
    finish = submission(env, "erase_finish", ["--settled-hours", HOURS, "--run-id", DATABRICKS_RUN], RUN_DATE)
    complete >> spark_task(env, "finish", finish, FINISH, trigger_rule="none_failed")
