"""gold.dim_store: the places of sale, including the web shop: one row per store."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, of_keys, prune_by_keys
from retailflow_spark.gold.scd2 import UNKNOWN_ID
from retailflow_spark.gold.transform import Dimension, Frames

DIMENSION = Dimension("store_id")
TOTALS = None
prune = prune_by_keys

ONLINE_ID = "online"
MEMBERS = (UNKNOWN_ID, ONLINE_ID)
COLUMNS = (
    *("store_id", "store_type", "name", "country", "region", "city", "postal_code"),
    *("timezone", "opened_on", "closed_on"),
)


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `store_id` of every changed store."""
    return distinct_keys(
        changed["silver.stores"].select("store_id"), members_to_add(tables["gold.dim_store"], "store_id", *MEMBERS)
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per store and fixed member. A member replaces a source row that has its reserved id."""
    stores = tables["silver.stores"]
    members = stores.sparkSession.range(1).select(
        F.explode(F.array(*[F.lit(member) for member in MEMBERS])).alias("store_id"),
        F.col("store_id").alias("name"),
        F.lit("UTC").alias("timezone"),
    )
    real = stores.where(~F.col("store_id").isin(*MEMBERS)).select(*COLUMNS)
    return of_keys(real.unionByName(members, allowMissingColumns=True), keys, "store_id").select(*COLUMNS)
