"""Record and find customers to erase: `erase_find.py --env E --customers A,B --browsers none --confirm none`.

The ids are given as their SHA-256. The output reports how many records of each feed an erasure would touch. Its last
line lists the records that may be redacted: `PLAN {"orders": {"2026-01-15": 3}}`, or `PLAN {}` until it is confirmed.
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
            open_raw_to_erase(given.env)  # the next jobs need it: fail before they start
    print("PLAN", json.dumps(plan))
