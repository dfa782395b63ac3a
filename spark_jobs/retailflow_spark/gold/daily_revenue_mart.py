"""gold.daily_revenue_mart: revenue by business date, channel, store, category and currency."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, of_keys, prune_by_keys
from retailflow_spark.gold.money import SUM
from retailflow_spark.gold.scd2 import UNKNOWN_ID
from retailflow_spark.gold.transform import Frames, Totals

DIMENSION = None
TOTALS = Totals(
    source="gold.fact_sales",
    groups=("business_date", "channel", "store_id", "currency"),
    sums={
        "unit_count": "quantity",
        **{name: name for name in ("gross_amount", "discount_amount", "net_amount", "tax_amount")},
    },
)
prune = prune_by_keys


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `business_date` of changed lines, and of lines whose product version got another category in place."""
    return distinct_keys(
        changed["gold.fact_sales"].select("business_date"),
        _recategorised(tables["gold.fact_sales"], changed["gold.dim_product"]).select("business_date"),
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row for each group with a line in gold.fact_sales."""
    lines = of_keys(tables["gold.fact_sales"], keys, "business_date")
    categories = tables["gold.dim_product"].select("product_sk", _category().alias("category"))
    group = (
        "business_date",
        "channel",
        "store_id",
        F.coalesce("category", F.lit(UNKNOWN_ID)).alias("category"),
        "currency",
    )
    return (
        lines.join(categories, "product_sk", "left")
        .groupBy(*group)
        .agg(
            F.count_distinct(F.when(F.col("quantity") > 0, F.col("sale_id"))).alias("order_count"),
            F.sum("quantity").alias("unit_count"),
            *(
                F.sum(name).cast(SUM).alias(name)
                for name in ("gross_amount", "discount_amount", "net_amount", "tax_amount")
            ),
            F.sum(F.when(F.col("is_return"), -F.col("quantity")).otherwise(F.lit(0))).alias("returned_unit_count"),
            F.sum(F.when(F.col("is_return"), -F.col("net_amount")).otherwise(F.lit(0)))
            .cast(SUM)
            .alias("returned_amount"),
        )
    )


def _recategorised(lines: DataFrame, products: DataFrame) -> DataFrame:
    versions = products.groupBy("product_sk").agg(
        F.count_distinct(_category()).alias("categories"),
        F.min("valid_from").cast("date").alias("since"),
        F.max("valid_to").cast("date").alias("until"),
    )
    moved = versions.where("categories > 1")
    bounds = moved.agg(F.min("since").alias("since"), F.max("until").alias("until")).first()
    if not bounds.since:
        return lines.limit(0)
    days = F.date_sub(F.lit(bounds.since), 1), F.date_add(F.lit(bounds.until), 1)  # whatever the time zone
    return lines.where(F.col("business_date").between(*days)).join(moved, "product_sk", "left_semi")


def _category() -> Column:
    return F.coalesce("category", F.lit(UNKNOWN_ID))
