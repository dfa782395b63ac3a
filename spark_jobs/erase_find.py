"""Who is to be erased, and where they are: `erase_find.py --env E --customers A,B` takes down the SHA-256 of their ids,
or `none`, and ends its output with the dates to redact and rebuild: `PLAN {"orders": {"2026-01-15": 3}}`.
"""

import json

from retailflow_spark.erasure import find, request
from retailflow_spark.job import customers, options, spark_session
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    given = options({"customers": customers})
    with spark_session() as spark:
        tables = Tables(spark, given.env.catalog)
        request(tables, given.customers)
        plan = find(tables)
    print("PLAN", json.dumps(plan))
