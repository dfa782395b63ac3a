"""Load one feed and ingestion date from RAW to BRONZE: `bronze.py --env E --entity N --date YYYY-MM-DD`."""

from retailflow.contracts import entities, entity
from retailflow_spark.bronze.load import load_day
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import arguments, spark_session
from retailflow_spark.job.secrets import open_raw

if __name__ == "__main__":
    run = arguments("bronze", "entity", [contract.name for contract in entities()])
    with spark_session() as spark:
        load_day(Tables.of(spark, run.environment), open_raw(run.environment), entity(run.name), run.date, run)
