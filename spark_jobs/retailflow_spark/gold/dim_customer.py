"""gold.dim_customer: customers as they were, one row per customer and interval."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, within
from retailflow_spark.gold.scd2 import UNKNOWN_ID, intervals

ADDRESS = ("country", "region", "city", "postal_code")
TRACKED = (
    *("first_name", "last_name", "email", "phone", "birth_date"),
    *ADDRESS,
    *("segment", "loyalty_tier", "marketing_consent", "is_deleted"),
)


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """`customer_id` of every customer with a changed version."""
    return distinct_keys(
        changed["silver.customers_versions"].select("customer_id"),
        members_to_add(tables["gold.dim_customer"], "customer_id", UNKNOWN_ID),
    )


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The versions of the customers in scope."""
    versions = within(tables["silver.customers_versions"], scope, "customer_id")
    # Flat before they are compared: no address and an address of nulls are the same row of the dimension.
    flat = versions.withColumns({part: F.col(f"address.{part}") for part in ADDRESS})
    history = intervals(flat.withColumn("is_deleted", F.col("deleted_at").isNotNull()), "customer", TRACKED)
    return within(history, scope, "customer_id").select(
        "customer_sk",
        "customer_id",
        *TRACKED[:-1],
        F.coalesce("is_deleted", F.lit(False)).alias("is_deleted"),
        *("valid_from", "valid_to", "is_current"),
    )
