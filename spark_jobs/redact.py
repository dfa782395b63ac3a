"""Redact erased people in RAW of one feed and ingestion date: `redact.py --env E --feed N --date YYYY-MM-DD`."""

from retailflow.contracts import feed_contract
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import arguments, spark_session
from retailflow_spark.job.secrets import open_raw_to_erase
from retailflow_spark.privacy.erase import redact_day
from retailflow_spark.privacy.requests import personal

if __name__ == "__main__":
    run = arguments("redact", "feed", [contract.name for contract in personal()])
    with spark_session() as spark:
        tables, store = Tables.of(spark, run.environment), open_raw_to_erase(run.environment)
        count = redact_day(tables, store, feed_contract(run.name), run.date, run.databricks_run_id)
    print(f"{run.name} {run.date}: {count} records redacted in RAW")
