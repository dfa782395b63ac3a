"""gold.fact_orders: one row per online order, whatever its status."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, of_keys, prune_by_keys
from retailflow_spark.gold.asof_join import facts_to_repoint, join_as_of, missing_dimension_count
from retailflow_spark.gold.money import LINE, SUM, gross, or_zero
from retailflow_spark.gold.transform import Frames

DIMENSION = None
TOTALS = None
prune = prune_by_keys

KEY = ("order_id", "business_date")


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `order_id` and `business_date` of changed orders, and of orders with another customer version now."""
    facts, moment = tables["gold.fact_orders"], (F.col("ordered_at"), "business_date")
    moved = facts_to_repoint(facts, changed["gold.dim_customer"], tables["gold.dim_customer"], "customer", *moment)
    keys = distinct_keys(changed["silver.orders"].select("order_id", "ordered_date"), moved.select(*KEY))
    return keys.toDF(*KEY)


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per order."""
    if keys is not None:
        keys = keys.toDF("order_id", "ordered_date")
    orders = of_keys(tables["silver.orders"], keys, "order_id", "ordered_date")
    is_alive = F.col("status") != "cancelled"
    # A cancelled order keeps its row and loses its lines, so all its counts and sums are 0.
    living = orders.withColumn("lines", F.coalesce(F.filter("lines", lambda line: is_alive), F.array()))
    measured = living.select(
        "*",
        F.exists("lines", lambda line: line["quantity"] > 0).alias("has_sold_line"),
        F.size("lines").alias("line_count"),
        F.aggregate("lines", F.lit(0).cast("bigint"), lambda sum_, line: sum_ + line["quantity"]).alias("unit_count"),
        _total(lambda line: gross(line["quantity"], line["unit_price"])).alias("gross_amount"),
        _total(lambda line: or_zero(line["discount_amount"])).alias("discount_amount"),
        _total(lambda line: or_zero(line["tax_amount"])).alias("tax_amount"),
        F.when(is_alive, or_zero(F.col("shipping.amount"))).otherwise(F.lit(0)).cast(LINE).alias("shipping_amount"),
    )
    measured = measured.withColumn("net_amount", (F.col("gross_amount") - F.col("discount_amount")).cast(SUM))
    due = F.col("net_amount") + F.col("tax_amount") + F.col("shipping_amount")
    return join_as_of(measured, tables["gold.dim_customer"], "customer", F.col("ordered_at")).select(
        "order_id",
        F.to_date("ordered_at").alias("business_date"),
        *("ordered_at", "updated_at", "status", "customer_id", "customer_sk"),
        missing_dimension_count("customer").alias("missing_dimension_count"),
        F.col("shipping.address.country").alias("country"),
        F.col("shipping.method").alias("shipping_method"),
        *("coupon_codes", "has_sold_line", "line_count", "unit_count"),
        *("gross_amount", "discount_amount", "net_amount", "tax_amount", "shipping_amount"),
        due.cast(SUM).alias("due_amount"),
        "currency",
    )


def _total(amount: Callable[[Column], Column]) -> Column:
    return F.aggregate("lines", F.lit(0).cast(SUM), lambda sum_, line: (sum_ + amount(line)).cast(SUM))
