"""gold.fact_inventory_snapshot: the stock of a product in a store at the end of a day."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, within
from retailflow_spark.gold.asof_join import awaited_count, misplaced, with_version
from retailflow_spark.gold.money import SUM

KEY = ("store_id", "product_id", "snapshot_date")


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """The keys of changed snapshots, and of stored ones that now belong to another version of their product."""
    facts, products = tables["gold.fact_inventory_snapshot"], tables["gold.dim_product"]
    moved = misplaced(facts, changed["gold.dim_product"], products, "product", _end_of_day(), "snapshot_date")
    return distinct_keys(changed["silver.inventory"].select(*KEY), moved.select(*KEY))


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The snapshots in scope. What is computed from a quantity that is null is null."""
    stock = within(tables["silver.inventory"], scope, *KEY)
    available = F.col("quantity_on_hand") - F.col("quantity_reserved")
    return with_version(stock, tables["gold.dim_product"], "product", _end_of_day()).select(
        *KEY,
        "product_sk",
        awaited_count("product").alias("awaited_count"),
        *("quantity_on_hand", "quantity_reserved", "quantity_on_order"),
        available.alias("available_quantity"),
        "reorder_point",
        (available < F.col("reorder_point")).alias("is_below_reorder_point"),
        "unit_cost",
        (F.col("quantity_on_hand") * F.col("unit_cost")).cast(SUM).alias("stock_value_amount"),
        "recorded_at",
    )


def _end_of_day() -> Column:
    """The last microsecond of the snapshot's day, which a later correction leaves where it is; `recorded_at` moves."""
    return F.date_add("snapshot_date", 1).cast("timestamp") - F.expr("INTERVAL 1 MICROSECOND")
