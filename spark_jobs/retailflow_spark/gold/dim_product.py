"""gold.dim_product: the versions of products, one row per product and interval."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, of_keys, prune_by_keys
from retailflow_spark.gold.scd2 import UNKNOWN_ID, intervals
from retailflow_spark.gold.transform import Dimension, Frames

DIMENSION = Dimension("product_id", "product_sk")
TOTALS = None
prune = prune_by_keys

TRACKED = ("name", "category", "subcategory", "brand", "list_price", "unit_cost", "is_active")


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `product_id` of every product with a changed version."""
    return distinct_keys(
        changed["silver.products_history"].select("product_id"),
        members_to_add(tables["gold.dim_product"], "product_id", UNKNOWN_ID),
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per product and interval, and the unknown member."""
    versions = of_keys(tables["silver.products_history"], keys, "product_id")
    history = of_keys(intervals(versions, "product", TRACKED, carried=["currency"]), keys, "product_id")
    return history.select(
        "product_sk",
        "product_id",
        F.coalesce("name", F.lit(UNKNOWN_ID)).alias("name"),
        *("category", "subcategory", "brand", "list_price", "unit_cost", "currency", "is_active"),
        *("valid_from", "valid_to", "is_current"),
    )
