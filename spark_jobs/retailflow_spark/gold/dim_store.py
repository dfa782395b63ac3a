"""gold.dim_store: where a sale can take place, the web shop included."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, members_to_add, within
from retailflow_spark.gold.scd2 import UNKNOWN_ID

ONLINE_ID = "online"
MEMBERS = (UNKNOWN_ID, ONLINE_ID)
COLUMNS = (
    *("store_id", "store_type", "name", "country", "region", "city", "postal_code"),
    *("timezone", "opened_on", "closed_on"),
)


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """`store_id` of every changed store."""
    return distinct_keys(
        changed["silver.stores"].select("store_id"), members_to_add(tables["gold.dim_store"], "store_id", *MEMBERS)
    )


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The stores in scope. The two members' ids are reserved: a source row of such an id gives way to the member."""
    stores = tables["silver.stores"]
    members = stores.sparkSession.range(1).select(
        F.explode(F.array(*[F.lit(member) for member in MEMBERS])).alias("store_id"),
        F.col("store_id").alias("name"),
        F.lit("UTC").alias("timezone"),
    )
    real = stores.where(~F.col("store_id").isin(*MEMBERS)).select(*COLUMNS)
    return within(real.unionByName(members, allowMissingColumns=True), scope, "store_id").select(*COLUMNS)
