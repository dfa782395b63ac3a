"""gold.dim_product: products as they were, one row per product and interval."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, within
from retailflow_spark.gold.scd2 import UNKNOWN_ID, intervals

TRACKED = ("name", "category", "subcategory", "brand", "list_price", "unit_cost", "is_active")


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """`product_id` of every product with a changed version."""
    return distinct_keys(
        changed["silver.products_versions"].select("product_id"),
        members_to_add(tables["gold.dim_product"], "product_id", UNKNOWN_ID),
    )


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The versions of the products in scope."""
    versions = within(tables["silver.products_versions"], scope, "product_id")
    history = within(intervals(versions, "product", TRACKED, carried=["currency"]), scope, "product_id")
    return history.select(
        "product_sk",
        "product_id",
        F.coalesce("name", F.lit(UNKNOWN_ID)).alias("name"),
        *("category", "subcategory", "brand", "list_price", "unit_cost", "currency", "is_active"),
        *("valid_from", "valid_to", "is_current"),
    )
