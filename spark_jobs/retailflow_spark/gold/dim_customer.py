"""gold.dim_customer: the versions of customers, one row per customer and interval."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, of_keys, prune_by_keys
from retailflow_spark.gold.scd2 import UNKNOWN_ID, intervals
from retailflow_spark.gold.transform import Dimension, Frames

DIMENSION = Dimension("customer_id", "customer_sk")
TOTALS = None
prune = prune_by_keys

ADDRESS = ("country", "region", "city", "postal_code")
TRACKED = (
    *("first_name", "last_name", "email", "phone", "birth_date"),
    *ADDRESS,
    *("segment", "loyalty_tier", "marketing_consent", "is_deleted"),
)


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `customer_id` of every customer with a changed version."""
    return distinct_keys(
        changed["silver.customers_history"].select("customer_id"),
        members_to_add(tables["gold.dim_customer"], "customer_id", UNKNOWN_ID),
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per customer and interval, and the unknown member."""
    versions = of_keys(tables["silver.customers_history"], keys, "customer_id")
    # Flatten before comparing: without an address and with an address of nulls, the row of the dimension is the same.
    flat = versions.withColumns({part: F.col(f"address.{part}") for part in ADDRESS})
    history = intervals(flat.withColumn("is_deleted", F.col("deleted_at").isNotNull()), "customer", TRACKED)
    return of_keys(history, keys, "customer_id").select(
        "customer_sk",
        "customer_id",
        *TRACKED[:-1],
        F.coalesce("is_deleted", F.lit(False)).alias("is_deleted"),
        *("valid_from", "valid_to", "is_current"),
    )
