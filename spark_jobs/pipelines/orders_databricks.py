"""SILVER of orders by AUTO CDC, with expectations. Only Databricks runs this file: open source supports neither.

The rules are not repeated here: the expectations test the violations that `validate` found. Quarantine has the records.
"""

from pyspark import pipelines as dp
from pyspark.sql import functions as F

from retailflow_spark.silver.lakeflow import described, feed, path

orders = feed("orders")
silver = orders.contract.silver
VALIDATED = "orders_lakeflow_validated"


@dp.expect_all_or_drop(orders.drops())
def validated():
    return orders.validated()


for name, condition in orders.warnings().items():
    validated = dp.expect(name, condition)(validated)
dp.temporary_view(name=VALIDATED)(validated)

dp.create_streaming_table(**described(silver))
dp.create_auto_cdc_flow(
    target=path(silver),
    source=VALIDATED,
    keys=list(silver.key),
    sequence_by=F.struct(*orders.order),
    column_list=silver.column_names,
    stored_as_scd_type=1,
)


@dp.materialized_view(**described(orders.files_table))
@dp.expect_or_fail("BRONZE has each file whole, and none that does not count", "record_count = stored_count")
def files():
    return orders.files()
