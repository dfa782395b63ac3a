"""One day of retail data, from the source systems to the GOLD tables.

**What it does.** For one ingestion date, `raw.ingest_*` fetches the API feeds and `raw.*` waits until each feed's
delivery is complete. `bronze.*` stores the records as received, `silver.*` keeps the newest valid version of each key,
`gold.*` recomputes the rows that changes affect, and `gold.publish` publishes all tables at once. Arrows follow the
data: a late feed delays only its own tables and the GOLD tables built from them. While a feed is late,
`retailflow_watch` triggers the publication of the other tables.

**Normal.** Starts at 02:00 UTC for the day before. Tasks are deferred most of the time and then occupy no worker slot.

**Another day.** Trigger the DAG with an `ingestion_date` in the form, or create a backfill. A run is safe to repeat:
running a day again changes nothing, and an old day never undoes a newer one.

**Safe to clear.** Every task, at any time.

**Where to look.** A failed task's log ends with the last lines of the job's log; the link *See Databricks Job Run*
opens the whole log. If a `raw.*` task waits for hours, the source has not written `_SUCCESS`.

**Reads** RAW; the sources' APIs by `raw.ingest_*`. **Writes** RAW of the API feeds, BRONZE, SILVER, quarantine, GOLD,
`ops.runs`, `ops.releases`.
"""

from airflow.sdk import DAG, Param, TaskGroup

from retailflow.contracts import feeds
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.landing import landed
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import spark_job
from retailflow_airflow.wiring import gold_tasks

env = load_environment()

with DAG(
    dag_id="retailflow_daily",
    description="RAW to GOLD for one ingestion date.",
    doc_md=__doc__,
    schedule=timetable(env.schedule),
    params={
        "ingestion_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Ingestion date",
            description="The day to process, like 2026-01-15; empty, as in a backfill: the day of the logical date.",
        )
    },
    # A day that waits for a feed must not delay other days that are cleared, triggered or due.
    **defaults(env, Impact.TIER_1, Triage.AT_ONCE, max_active_runs=4),
):
    with TaskGroup("raw"):
        ingested = {
            e.name: spark_job(env, "ingest", e, task_id=f"ingest_{e.name}") for e in feeds() if e.delivery == "api"
        }
        delivered = {e.name: landed(env, e) for e in feeds()}
    with TaskGroup("bronze"):
        bronze = {e.name: spark_job(env, "bronze", e) for e in feeds()}
    with TaskGroup("silver"):
        silver = {e.name: spark_job(env, "silver", e) for e in feeds()}
    gold_tasks(env, silver)

    for name, task in ingested.items():
        task >> delivered[name]
    for name, task in delivered.items():
        task >> bronze[name] >> silver[name]
