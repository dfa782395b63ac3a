"""A job that reads a setting of its session that Databricks Runtime has, but serverless compute hides."""

from retailflow_spark.job.entry import spark_session

with spark_session() as spark:
    spark.conf.get("spark.databricks.delta.lastCommitVersionInSession", None)
