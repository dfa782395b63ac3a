"""Shows readers what was built of GOLD and passes its audits: `publish.py --env E --run-id N`."""

from retailflow_spark.job import databricks_run_id, options, spark_session
from retailflow_spark.release import publish_or_fail
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    given = options({"run-id": databricks_run_id})
    with spark_session() as spark:
        publish_or_fail(Tables(spark, given.env.catalog, given.env.restricted_group), given.run_id)
