"""Record and find customers to erase: `erase_find.py --env E --customers A --browsers none --confirm none --run-id ID`.

The ids are given as their SHA-256. The output reports how many records of each feed an erasure would touch. The job
leaves in RAW, as `_plans/<run id>.json`, by feed and date how many records may be redacted: `{"orders": {"2026-01-15":
3}}`, or `{}` until the erasure is confirmed.
"""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import confirmation, databricks_run_id, digests, options, spark_session
from retailflow_spark.job.secrets import open_raw, open_raw_to_erase
from retailflow_spark.ops.replay_plan import leave
from retailflow_spark.privacy.erase import find

if __name__ == "__main__":
    given = options({"customers": digests, "browsers": digests, "confirm": confirmation, "run-id": databricks_run_id})
    raw = open_raw(given.env)
    with spark_session() as spark:
        plan = find(
            Tables.of(spark, given.env),
            raw,
            customers=given.customers,
            browsers=given.browsers,
            confirm=given.confirm,
            unconfirmed_records=given.env.erasure_unconfirmed_records,
        )
        if plan or given.customers or given.browsers or given.confirm:
            open_raw_to_erase(given.env)  # the next jobs need it: fail before they start
    leave(raw, given.run_id, plan)
