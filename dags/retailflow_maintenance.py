"""The upkeep of all tables: small files are written together, files of old versions deleted, rows counted.

**What it does.** Each night, after the day, one job for each layer goes through its tables with OPTIMIZE, VACUUM and
ANALYZE. No row changes.

**Normal.** Runs at 07:00 UTC, beside whatever else runs: conflicting commits are retried on either side. OPTIMIZE
rewrites only partitions that have got several small files.

**What VACUUM leaves.** Everything that was replaced within the contract's `versionRetention`, 30 days where it has none
and never less than 7. A table with an older change that GOLD, or the balance of SILVER, has yet to take in keeps all.
The job of GOLD lets the release follow the upkeep, so that readers never hold a version older than that.

**Safe to clear.** Every task, at any time.

**Where to look.** *See Databricks Job Run* has a line for each table. A table that failed stays as it was; the others
are done.

**Reads** all tables. **Writes** files of all tables, but no row; `ops.runs`.
"""

from airflow.sdk import DAG

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission

env = load_environment().unhurried()
DOC = """OPTIMIZE, VACUUM and ANALYZE of the tables that jobs of **{layer}** write.

- **Reads** and **writes** these tables; changes no row, but deletes watermarks that a newer one has replaced.
- **Safe to clear**: always.
"""

with DAG(
    dag_id="retailflow_maintenance",
    description="OPTIMIZE, VACUUM and ANALYZE of all tables.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "0 7 * * *"),
    **defaults(env, Impact.TIER_3, Triage.IF_IT_REPEATS),
):
    for layer in ("bronze", "silver", "gold", "ops"):
        body = submission(env, "maintain", ["--layer", layer, "--run-id", DATABRICKS_RUN], RUN_DATE)
        spark_task(env, f"maintain.{layer}", body, DOC.format(layer=layer))
