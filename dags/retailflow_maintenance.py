"""Maintains all tables: compacts small files, deletes the files of old versions, and computes statistics.

**What it does.** Each night, after the daily run, one job for each layer runs OPTIMIZE, VACUUM and ANALYZE on its
tables. No row changes.

**Normal.** Runs at 07:00 UTC. Other DAGs may run at the same time: both sides retry conflicting commits. OPTIMIZE
rewrites only partitions with several small files.

**What VACUUM keeps.** All files that were replaced within the contract's `versionRetention` (30 days by default, at
least 7). If GOLD, or the balance of SILVER, has not yet processed an older change of a table, VACUUM keeps all files of
the table. The job of GOLD moves the release on after its maintenance, so that readers never use a version older than
the retention.

**Safe to clear.** Every task, at any time.

**Where to look.** *See Databricks Job Run* has a line for each table. A table that failed is unchanged; the others are
done.

**Reads** all tables. **Writes** files of all tables, but no row; `ops.runs`.
"""

from airflow.sdk import DAG

from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.schedule import timetable
from retailflow_airflow.submit import DATABRICKS_RUN, RUN_DATE, spark_task, submission

env = load_environment().unhurried()
DOC = """Runs OPTIMIZE, VACUUM and ANALYZE on the tables that jobs of **{layer}** write.

- **Reads** and **writes** these tables; changes no row, but deletes watermarks that newer ones have replaced.
- **Safe to clear**: always.
"""

with DAG(
    dag_id="retailflow_maintenance",
    description="Runs OPTIMIZE, VACUUM and ANALYZE on all tables.",
    doc_md=__doc__,
    schedule=timetable(env.schedule, "0 7 * * *"),
    **defaults(env, Impact.TIER_3, Triage.IF_IT_REPEATS),
):
    for layer in ("bronze", "silver", "gold", "ops"):
        body = submission(env, "maintain", ["--layer", layer, "--run-id", DATABRICKS_RUN], RUN_DATE)
        spark_task(env, f"maintain.{layer}", body, DOC.format(layer=layer))
