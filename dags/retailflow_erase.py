"""Erases customers: from RAW, from every table, and from the files of older versions.

**What it does.** `find` records the requested customers. It counts their records in BRONZE and in RAW files that no
batch names, by feed and by how they were found. Nothing is erased until a person confirms these counts. Then, for each
feed and date, `redact.feed` rewrites RAW without these customers, and `bronze.feed` and `silver.feed` rebuild the
date; `gold.*` follow. `finish` proves that no table contains them. It also deletes the files of older versions, once
these have been replaced for some hours.

**Normal.** Runs each night at 08:00 UTC. On most nights only `find` and `finish` run; without a request they read no
table. A confirmed request takes two nights: after the first, nobody can read the customer's data; after the second,
older versions are deleted too. RAW may stay immutable for some more days; the request stays open until then.
`ops.erasures` shows the progress of each request, `ops.redactions` what was redacted. If a source sends an erased
customer again, `find` finds the new records in BRONZE.

**Use it.** Trigger the DAG with the SHA-256 of the customer ids, never with the ids: Airflow keeps the values of a
form. Read the counts in the output of `find`. Then trigger the DAG again with the confirmation code that `find` prints
beside them (docs/runbooks/erase_a_customer.md). Only users in `privacy_users` of the environment can do either. An
erasure of at most `erasure_unconfirmed_records` records needs no confirmation.

**Strangers.** The events of a browser are erased with its owner only if no other known customer used the browser, its
id is no placeholder, and it has no more events than a person makes (see the contract of clickstream). `find` names the
browsers that it leaves alone.

**What happens to a record.** Its contract says so: `erasure: remove`, or `anonymise` where the sale has to stay. In a
record of another person, only the mention of the customer is erased.

**Safe to clear.** Every task, at any time. Redacted data cannot be restored.

**Where to look.** The output of `find` has the counts; `finish` names the tables and files that still contain a
customer.

**Reads** BRONZE and RAW of the feeds with people in them. **Writes** RAW, all tables with people in them,
`ops.erasures`, `ops.redactions`.
"""

from airflow.sdk import DAG, task, task_group

from retailflow.contracts import feeds
from retailflow.environments import load_environment
from retailflow_airflow import replay
from retailflow_airflow.defaults import defaults
from retailflow_airflow.erase import ASKED, HOURS, MACROS, read_plan, trigger_form
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.replay import PLANNED_DATE, REBUILD_DOC, feed_task
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission
from retailflow_airflow.wiring import gold_tasks

env = load_environment()
FIND = """Records the customers to erase, counts their records, and accepts a confirmation.

- **Reads** BRONZE and RAW of the feeds with people in them; **writes** `ops.erasures`.
- **Safe to clear**: always, together with its downstream tasks.
"""
FINISH = """Proves that no table contains the erased customers, and deletes the files of older versions.

- **Reads** all tables with people in them; **writes** `ops.erasures`, and changes no row of any other table.
- **Safe to clear**: always.
"""
REDACT = """Rewrites RAW of one feed and date without the customers to erase: delivers a redacted batch, then deletes
the old file.

- **Reads** `bronze.<feed>`, which says where their records are; **writes** RAW and `ops.redactions`.
- **Safe to clear**: always, each index by itself.
"""

with DAG(
    dag_id="retailflow_erase",
    description="Erases customers from RAW, from all tables, and from their older versions.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "0 8 * * *"),
    params=trigger_form(),
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY, {**replay.MACROS, **MACROS}),
):
    asked = [part for option in ASKED.items() for part in option]
    find = spark_task(env, "find", submission(env, "erase_find", [*asked, "--run-id", DATABRICKS_RUN], RUN_DATE), FIND)
    items = task.short_circuit(ignore_downstream_trigger_rules=False)(read_plan)(find.output["run_id"])

    @task_group(prefix_group_id=False)
    def rebuild(item):
        """Redact and rebuild one feed and date of the plan."""
        redact = feed_task(env, "redact", REDACT)
        bronze, silver = (feed_task(env, layer, REBUILD_DOC.format(layer=layer)) for layer in ("bronze", "silver"))
        redact >> bronze >> silver
        return silver

    silver = rebuild.expand(item=items)
    makers = {feed.name: silver for feed in feeds()}
    rule = {"trigger_rule": "none_failed_min_one_success"}  # if nobody is found, nothing is built
    gold, complete = gold_tasks(env, makers, publish=rule, date=PLANNED_DATE)
    items >> gold
    finish = submission(env, "erase_finish", ["--settled-hours", HOURS, "--run-id", DATABRICKS_RUN], RUN_DATE)
    complete >> spark_task(env, "finish", finish, FINISH, trigger_rule="none_failed")
