"""One day of retail data, from the source systems to the GOLD tables.

**What it does.** For one ingestion date: `raw.ingest_*` fetches what comes by API, `raw.*` waits until each feed's
delivery is complete, `bronze.*` stores it as received, `silver.*` keeps the newest valid version of each key, `gold.*`
recomputes what changed. Arrows follow the data: a late feed holds back only its own tables and the GOLD tables built on
them.

**Normal.** Starts at 02:00 UTC for the day before. Tasks are deferred most of the time and then hold no worker slot.

**Another day.** Trigger it and give `ingestion_date` in the form, or make a backfill. A run is safe to repeat: running
a day again changes nothing, and an old day never undoes a newer one.

**Safe to clear.** Every task, at any time.

**Where to look.** A failed task's log ends with the job's first error line; its link *See Databricks Job Run* opens the
whole log. A `raw.*` task waiting for hours means that the source has not written `_SUCCESS`.
"""

from datetime import UTC, datetime, time, timedelta

from airflow.sdk import DAG, Asset, Param, TaskGroup

from retailflow.contracts import entities, gold_tables
from retailflow.environments import load_environment
from retailflow_airflow.landing import landed
from retailflow_airflow.macros import MACROS
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import spark_job

env = load_environment()

with DAG(
    dag_id="retailflow_daily",
    description="RAW to GOLD for one ingestion date.",
    doc_md=__doc__,
    schedule=timetable(env.schedule),
    start_date=datetime.combine(env.schedule.first_date, time(), UTC),
    catchup=False,
    max_active_runs=1,  # scheduled and triggered runs; a backfill brings its own limit
    default_args={
        "retries": env.retries.count,
        "retry_delay": timedelta(seconds=env.retries.delay_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(seconds=env.retries.max_delay_seconds),
        "execution_timeout": timedelta(minutes=env.run_timeout_minutes),
    },
    params={
        "ingestion_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Ingestion date",
            description="The day to process, such as 2026-01-15; empty: the day of the logical date.",
        )
    },
    user_defined_macros=MACROS,
    tags=["retailflow", *(f"{key}:{value}" for key, value in sorted(env.tags.items()))],
):
    with TaskGroup("raw"):
        ingested = {
            e.name: spark_job(env, "ingest", e, task_id=f"ingest_{e.name}") for e in entities() if e.delivery == "api"
        }
        delivered = {e.name: landed(env, e) for e in entities()}
    with TaskGroup("bronze"):
        bronze = {e.name: spark_job(env, "bronze", e) for e in entities()}
    with TaskGroup("silver"):
        silver = {e.name: spark_job(env, "silver", e) for e in entities()}
    with TaskGroup("gold"):
        gold = {
            table.name: spark_job(
                env, "gold", table, outlets=[Asset(f"gold.{table.name}", uri=f"x-retailflow://gold/{table.name}")]
            )
            for table in gold_tables()
        }

    for name, task in ingested.items():
        task >> delivered[name]
    for name, task in delivered.items():
        task >> bronze[name] >> silver[name]
    # An entity's tables, its versions too, are finished by its silver task.
    maker = {table.name: silver[entity.name] for entity in entities() for table in entity.tables}
    maker |= {f"gold.{name}": task for name, task in gold.items()}
    for table in gold_tables():
        [maker[source] for source in table.sources] >> gold[table.name]
