"""RAW to BRONZE for one entity and ingestion date: `bronze.py --env E --entity N --date YYYY-MM-DD`."""

from retailflow.contracts import entities, entity
from retailflow_spark import bronze, ledger
from retailflow_spark.job import arguments, spark_session
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    run = arguments("bronze", "entity", [contract.name for contract in entities()])
    contract = entity(run.name)
    with spark_session() as spark:
        tables = Tables(spark, run.environment.catalog)
        counts = bronze.load_day(tables, run.environment.raw.root, contract, run.date)
        ledger.record(tables, run, contract.version, counts)
