"""What a replay would rebuild, as the last line of the output: `plan.py --env E --selection S --entities A,B
--first-date YYYY-MM-DD --last-date YYYY-MM-DD` prints `PLAN {"orders": {"2026-01-15": 1200}}`. Writes nothing.
"""

import json

from retailflow_spark.job import spark_session
from retailflow_spark.plan import arguments, select
from retailflow_spark.secrets import open_raw
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    env, selection = arguments()
    with spark_session() as spark:
        plan = select(Tables.of(spark, env), open_raw(env), selection)
    print("PLAN", json.dumps(plan))
