"""SILVER of orders without AUTO CDC and expectations: two materialized views, `silver` and the counts of `files`."""

from pyspark import pipelines as dp

from retailflow_spark.silver.lakeflow import described, feed

orders = feed("orders")


@dp.materialized_view(**described(orders.contract.silver))
def silver():
    return orders.latest()


@dp.materialized_view(**described(orders.files_table))
def files():
    return orders.files()
