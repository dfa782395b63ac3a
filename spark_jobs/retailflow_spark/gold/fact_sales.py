"""gold.fact_sales: one row per sold or returned line, online and in the stores."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import distinct_keys, of_keys, prune_by_keys
from retailflow_spark.gold.asof_join import facts_to_repoint, join_as_of, missing_dimension_count
from retailflow_spark.gold.dim_store import ONLINE_ID
from retailflow_spark.gold.money import LINE, gross, or_zero
from retailflow_spark.gold.scd2 import UNKNOWN_ID
from retailflow_spark.gold.transform import Frames

DIMENSION = None
TOTALS = None
prune = prune_by_keys

COLUMNS = (
    *("channel", "sale_id", "line_number", "business_date", "sold_at", "sold_at_local", "store_id", "register_id"),
    *("customer_id", "product_id", "customer_sk", "product_sk", "missing_dimension_count", "quantity", "unit_price"),
    *("gross_amount", "discount_amount", "net_amount", "tax_amount", "currency", "is_return", "is_after_closing"),
)


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `channel`, `sale_id` and `business_date` of changed sales, and of sales that a changed dimension moves.

    A changed dimension can move a line to another version of its customer or product, or its moment of sale to another
    time zone. All other changes of dimensions touch no fact.
    """
    facts, moment = tables["gold.fact_sales"], (F.col("sold_at"), "business_date")
    moved = [
        facts_to_repoint(facts, changed["gold.dim_customer"], tables["gold.dim_customer"], "customer", *moment),
        facts_to_repoint(facts, changed["gold.dim_product"], tables["gold.dim_product"], "product", *moment),
        _moved_by_store(facts, changed["gold.dim_store"], tables["gold.dim_store"]),
    ]
    return distinct_keys(
        _sale(changed["silver.orders"], "online", "order_id", "ordered_date"),
        _sale(changed["silver.store_sales"], "store", "receipt_id", "sold_date"),
        *(found.select("channel", "sale_id", "business_date") for found in moved),
    )


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per line of an order or receipt."""
    sales = _online(tables, keys).unionByName(_in_stores(tables, keys))
    gross_amount = gross(F.col("quantity"), F.col("unit_price"))
    lines = sales.withColumns(
        {
            "business_date": F.to_date("sold_at_local"),
            "gross_amount": gross_amount,
            "discount_amount": or_zero(F.col("discount_amount")),
            "net_amount": (gross_amount - or_zero(F.col("discount_amount"))).cast(LINE),
            "tax_amount": or_zero(F.col("tax_amount")),
            "is_return": F.col("quantity") < 0,
        }
    )
    lines = join_as_of(lines, tables["gold.dim_customer"], "customer", F.col("sold_at"))
    lines = join_as_of(lines, tables["gold.dim_product"], "product", F.col("sold_at"))
    return lines.withColumn("missing_dimension_count", missing_dimension_count("customer", "product")).select(*COLUMNS)


def _sale(changed: DataFrame, channel: str, sale_id: str, business_date: str) -> DataFrame:
    names = {"sale_id": sale_id, "business_date": business_date}
    return changed.select(F.lit(channel).alias("channel"), *(F.col(old).alias(new) for new, old in names.items()))


def _online(tables: Frames, keys: DataFrame | None) -> DataFrame:
    if keys is not None:
        keys = keys.where(F.col("channel") == "online").toDF("channel", "order_id", "ordered_date")
    orders = of_keys(tables["silver.orders"], keys, "order_id", "ordered_date").where(F.col("status") != "cancelled")
    number = _line_number(F.col("line.line_number"), F.col("index"))
    lines = orders.select("*", _are_numbered().alias("are_numbered"), F.posexplode("lines").alias("index", "line"))
    return lines.select(
        F.lit("online").alias("channel"),
        F.col("order_id").alias("sale_id"),
        F.when(F.col("are_numbered"), number).otherwise(F.col("index") + 1).alias("line_number"),
        F.col("ordered_at").alias("sold_at"),
        F.col("ordered_at").cast("timestamp_ntz").alias("sold_at_local"),
        F.lit(ONLINE_ID).alias("store_id"),
        F.lit(None).cast("string").alias("register_id"),
        *("customer_id", "line.product_id", "line.quantity", "line.unit_price"),
        *("line.discount_amount", "line.tax_amount", "currency"),
        F.lit(False).alias("is_after_closing"),
    )


def _line_number(number: Column, index: Column) -> Column:
    return F.coalesce(number, index + 1)


def _are_numbered() -> Column:
    """Return whether the line numbers of an order are distinct. If not, its lines are numbered by position, from 1."""
    numbers = F.transform("lines", lambda line, index: _line_number(line["line_number"], index))
    return F.size(F.array_distinct(numbers)) == F.size(numbers)


def _in_stores(tables: Frames, keys: DataFrame | None) -> DataFrame:
    if keys is not None:
        keys = keys.where(F.col("channel") == "store").toDF("channel", "receipt_id", "sold_date")
    receipts = of_keys(tables["silver.store_sales"], keys, "receipt_id", "sold_date")
    lines = receipts.withColumn("store_id", F.coalesce("store_id", F.lit(UNKNOWN_ID)))
    return _at_store(lines, tables["gold.dim_store"]).select(
        F.lit("store").alias("channel"),
        F.col("receipt_id").alias("sale_id"),
        *("line_number", "sold_at", "sold_at_local", "store_id", "register_id", "customer_id", "product_id"),
        *("quantity", "unit_price", "discount_amount", "tax_amount", "currency", "is_after_closing"),
    )


def _at_store(sales: DataFrame, stores: DataFrame) -> DataFrame:
    """Return `sales` with `sold_at` and `is_after_closing`, which depend on the store. An unknown store has UTC."""
    facts_of_store = stores.select(F.col("store_id").alias("_store"), "timezone", "closed_on")
    zone = F.coalesce("timezone", F.lit("UTC"))
    is_after_closing = F.coalesce(F.to_date("sold_at_local") > F.col("closed_on"), F.lit(False))
    return (
        sales.join(facts_of_store, F.col("store_id") == F.col("_store"), "left")
        .withColumn("sold_at", F.to_utc_timestamp("sold_at_local", zone))
        .withColumn("is_after_closing", is_after_closing)
    )


def _moved_by_store(facts: DataFrame, changed: DataFrame, stores: DataFrame) -> DataFrame:
    images, states = F.count("*"), F.count_distinct(F.struct("timezone", "closed_on"))  # an update has two images
    counted = changed.groupBy("store_id").agg(images.alias("images"), states.alias("states"))
    ids = [row.store_id for row in counted.where("images % 2 = 1 OR states > 1").collect()]
    touched = facts.where((F.col("channel") == "store") & F.col("store_id").isin(ids)) if ids else facts.limit(0)
    was = touched.withColumn("_was", F.struct("sold_at", "is_after_closing"))
    return _at_store(was, stores).where(F.col("_was") != F.struct("sold_at", "is_after_closing"))
