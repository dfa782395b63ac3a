"""gold.payment_reconciliation: the amount due of each order compared with its payments, per currency."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, of_keys, prune_by_keys
from retailflow_spark.gold.money import SUM
from retailflow_spark.gold.scd2 import UNKNOWN_ID
from retailflow_spark.gold.transform import Frames

DIMENSION = None
TOTALS = None
prune = prune_by_keys


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `order_id` of changed orders and changed payments."""
    return distinct_keys(
        changed["gold.fact_orders"].select("order_id"), of_some_order(changed["silver.payments"]).select("order_id")
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per order and currency, also for orders without payments and payments without an order."""
    orders = of_keys(tables["gold.fact_orders"], keys, "order_id")
    payments = of_keys(of_some_order(tables["silver.payments"]), keys, "order_id")
    paid = payments.groupBy("order_id", "currency").agg(
        _amount_of("captured").alias("captured_amount"),
        _amount_of("refunded", "chargeback").alias("refunded_amount"),
        F.min("occurred_at").alias("first_occurred_at"),
        F.max("occurred_at").alias("last_occurred_at"),
    )
    due = orders.select("order_id", "currency", F.col("status").alias("order_status"), "due_amount")
    difference = (F.col("due_amount") - F.col("captured_amount") + F.col("refunded_amount")).cast(SUM)
    amounts = ("due_amount", "captured_amount", "refunded_amount")
    return (
        due.join(paid, ["order_id", "currency"], "full")
        .withColumns({name: F.coalesce(name, F.lit(0).cast(SUM)) for name in amounts})
        .select(
            *("order_id", "currency", "order_status", *amounts),
            difference.alias("difference_amount"),
            (difference == 0).alias("is_reconciled"),
            *("first_occurred_at", "last_occurred_at"),
        )
    )


def of_some_order(payments: DataFrame) -> DataFrame:
    """Set `order_id` of payments that name no order to `unknown`, which keeps them."""
    return payments.withColumn("order_id", F.coalesce("order_id", F.lit(UNKNOWN_ID)))


def _amount_of(*event_types: str) -> Column:
    return F.sum(F.when(F.col("event_type").isin(*event_types), F.col("amount")).otherwise(F.lit(0))).cast(SUM)
