"""RAW to BRONZE for one entity and ingestion date: `bronze.py --env E --entity N --date YYYY-MM-DD`."""

from retailflow.contracts import entities, entity
from retailflow_spark import bronze
from retailflow_spark.job import arguments, spark_session
from retailflow_spark.tables import Tables

if __name__ == "__main__":
    environment, name, day = arguments("entity", [contract.name for contract in entities()])
    with spark_session() as spark:
        bronze.load_day(Tables(spark, environment.catalog), environment.raw.root, entity(name), day)
