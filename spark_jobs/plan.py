"""Plan a replay: `plan.py --env E --selection S --feeds A,B --first-date D --last-date D --run-id ID`.

It leaves the plan in RAW, as `_plans/<run id>.json`: by feed and date the records to read, for example
`{"orders": {"2026-01-15": 1200}}`. It writes nothing else.
"""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import spark_session
from retailflow_spark.job.secrets import open_raw
from retailflow_spark.ops.replay_plan import arguments, leave, select

if __name__ == "__main__":
    env, selection, run_id = arguments()
    raw = open_raw(env)
    with spark_session() as spark:
        plan = select(Tables.of(spark, env), raw, selection)
    leave(raw, run_id, plan)
