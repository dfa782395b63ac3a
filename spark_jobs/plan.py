"""Plan a replay: `plan.py --env E --selection S --entities A,B --first-date YYYY-MM-DD --last-date YYYY-MM-DD`.

The last line of the output says what the replay would rebuild: `PLAN {"orders": {"2026-01-15": 1200}}`. Writes nothing.
"""

import json

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import spark_session
from retailflow_spark.job.secrets import open_raw
from retailflow_spark.ops.replay_plan import arguments, select

if __name__ == "__main__":
    env, selection = arguments()
    with spark_session() as spark:
        plan = select(Tables.of(spark, env), open_raw(env), selection)
    print("PLAN", json.dumps(plan))
