"""Tags and masks by the contracts' classification: `govern.py --env E --dry-run true|false`. On Databricks only."""

import sys

from retailflow_spark.governance import apply
from retailflow_spark.job import one_of, options, spark_session
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    given = options({"dry-run": one_of("dry run", ["true", "false"])})
    group = given.env.restricted_group
    if not group:
        sys.exit(f"{given.env.name} has no restricted_group, and Spark itself no masks: run this for dev, stg or prod.")
    with spark_session() as spark:
        apply(Tables(spark, given.env.catalog), group, is_dry_run=given.dry_run == "true")
