"""Publish the GOLD tables that pass their audits: `publish.py --env E --date YYYY-MM-DD`.

The date only names the run: the run publishes everything that was built since the last release.
"""

from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import arguments, spark_session
from retailflow_spark.publish.release import publish_or_fail

if __name__ == "__main__":
    run = arguments("publish")
    with spark_session() as spark:
        publish_or_fail(Tables.of(spark, run.environment), run)
