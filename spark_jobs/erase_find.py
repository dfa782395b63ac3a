"""Who is to be erased, and where they are: `erase_find.py --env E --customers A,B --browsers none --confirm none`.

Digests are the SHA-256 of ids. The output says how many records of which feed an erasure would touch, and ends with
what may be redacted: `PLAN {"orders": {"2026-01-15": 3}}`, or `PLAN {}` as long as that is not confirmed.
"""

import json

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import confirmation, digests, options, spark_session
from retailflow_spark.job.secrets import open_raw, open_raw_to_erase
from retailflow_spark.privacy.erase import find

if __name__ == "__main__":
    given = options({"customers": digests, "browsers": digests, "confirm": confirmation})
    with spark_session() as spark:
        plan = find(
            Tables.of(spark, given.env),
            open_raw(given.env),
            customers=given.customers,
            browsers=given.browsers,
            confirm=given.confirm,
            unconfirmed_records=given.env.erasure_unconfirmed_records,
        )
        if plan or given.customers or given.browsers or given.confirm:
            open_raw_to_erase(given.env)  # the jobs that follow need it: fail before they have begun
    print("PLAN", json.dumps(plan))
