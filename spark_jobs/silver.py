"""Load one feed and ingestion date from BRONZE to SILVER: `silver.py --env E --feed N --date YYYY-MM-DD`."""

from retailflow.contracts import feed_contract, feeds
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import arguments, spark_session
from retailflow_spark.silver.load import load_day

if __name__ == "__main__":
    run = arguments("silver", "feed", [contract.name for contract in feeds()])
    with spark_session() as spark:
        load_day(Tables.of(spark, run.environment), feed_contract(run.name), run.date, run)
