"""gold.fact_inventory_snapshot: the stock of a product in a store at the end of a day."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, of_keys, prune_by_keys
from retailflow_spark.gold.asof_join import facts_to_repoint, join_as_of, missing_dimension_count
from retailflow_spark.gold.money import SUM
from retailflow_spark.gold.transform import Frames

DIMENSION = None
TOTALS = None
prune = prune_by_keys

KEY = ("store_id", "product_id", "snapshot_date")


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return the keys of changed snapshots, and of stored snapshots that now belong to another product version."""
    facts, products = tables["gold.fact_inventory_snapshot"], tables["gold.dim_product"]
    moved = facts_to_repoint(facts, changed["gold.dim_product"], products, "product", _end_of_day(), "snapshot_date")
    return distinct_keys(changed["silver.inventory"].select(*KEY), moved.select(*KEY))


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per store, product and day. A value that is computed from a null quantity is null."""
    stock = of_keys(tables["silver.inventory"], keys, *KEY)
    available = F.col("quantity_on_hand") - F.col("quantity_reserved")
    return join_as_of(stock, tables["gold.dim_product"], "product", _end_of_day()).select(
        *KEY,
        "product_sk",
        missing_dimension_count("product").alias("missing_dimension_count"),
        *("quantity_on_hand", "quantity_reserved", "quantity_on_order"),
        available.alias("quantity_available"),
        "reorder_point",
        (available < F.col("reorder_point")).alias("is_below_reorder_point"),
        "unit_cost",
        (F.col("quantity_on_hand") * F.col("unit_cost")).cast(SUM).alias("stock_value_amount"),
        "recorded_at",
    )


def _end_of_day() -> Column:
    """Return the last microsecond of the snapshot's day. A later correction changes `recorded_at`, but not this."""
    return F.date_add("snapshot_date", 1).cast("timestamp") - F.expr("INTERVAL 1 MICROSECOND")
