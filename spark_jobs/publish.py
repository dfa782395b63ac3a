"""Shows readers what was built of GOLD and passes its audits: `publish.py --env E --date YYYY-MM-DD`.

The date names the run; what is published follows from what was built.
"""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import arguments, spark_session
from retailflow_spark.publish.release import publish_or_fail

if __name__ == "__main__":
    run = arguments("publish")
    with spark_session() as spark:
        publish_or_fail(Tables.of(spark, run.environment), run)
