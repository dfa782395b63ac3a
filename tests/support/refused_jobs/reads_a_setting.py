"""A job that asks its session for a setting, as one that Databricks Runtime has and serverless compute hides."""

from retailflow_spark.job.entry import spark_session

with spark_session() as spark:
    spark.conf.get("spark.databricks.delta.lastCommitVersionInSession", None)
