"""BRONZE to SILVER for one entity and ingestion date: `silver.py --env E --entity N --date YYYY-MM-DD`."""

from retailflow.contracts import entities, entity
from retailflow_spark import ledger
from retailflow_spark.job import arguments, spark_session
from retailflow_spark.silver.load import load_day
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    run = arguments("silver", "entity", [contract.name for contract in entities()])
    contract = entity(run.name)
    with spark_session() as spark:
        tables = Tables(spark, run.environment.catalog)
        counts = load_day(tables, contract, run.date, run.databricks_run_id)
        ledger.record(tables, run, contract, counts)
