"""SILVER of orders by AUTO CDC, and what the contract expects. Only Databricks runs this file: open source has neither.

The rules are not said here: a row's faults are those that `judge` found, whose records stand in quarantine.
"""

from pyspark import pipelines as dp
from pyspark.sql import functions as F

from retailflow_spark.lakeflow import described, feed, path

orders = feed("orders")
silver = orders.contract.silver
JUDGED = "orders_lakeflow_judged"


@dp.expect_all_or_drop(orders.drops())
def judged():
    return orders.judged()


for name, condition in orders.warnings().items():
    judged = dp.expect(name, condition)(judged)
dp.temporary_view(name=JUDGED)(judged)

dp.create_streaming_table(**described(silver))
dp.create_auto_cdc_flow(
    target=path(silver),
    source=JUDGED,
    keys=list(silver.identity),
    sequence_by=F.struct(*orders.order),
    column_list=silver.column_names,
    stored_as_scd_type=1,
)


@dp.materialized_view(**described(orders.files_table))
@dp.expect_or_fail("BRONZE has each file whole, and none that does not count", "record_count = stored_count")
def files():
    return orders.files()
