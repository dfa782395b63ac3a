"""Orders as a declarative pipeline: the part for open-source Spark and Databricks. SILVER is in the other two files."""

from pyspark import pipelines as dp

from retailflow_spark.silver.lakeflow import described, feed

orders = feed("orders")


@dp.table(**described(orders.contract.bronze))
def bronze():
    return orders.bronze()


@dp.table(**described(orders.contract.quarantine))
def quarantine():
    return orders.quarantine()
