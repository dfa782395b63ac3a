"""Create the masks of an environment: `govern.py --env E`. Each release runs it before other jobs. Databricks only."""

import sys

from retailflow.contracts.privacy import masks
from retailflow_spark.job.entry import options, spark_session

if __name__ == "__main__":
    env = options({}).env
    if not env.restricted_group:
        sys.exit(f"{env.name} has no restricted_group, and Spark itself has no masks: run this for dev, stg or prod.")
    with spark_session() as spark:
        for statement in masks(env.catalog, env.restricted_group):
            print(statement)
            spark.sql(statement)
