"""The queries of the report. They read dbt's marts where these have the figure, so that revenue is defined once."""

from typing import TYPE_CHECKING

from retailflow.contracts import feeds

if TYPE_CHECKING:
    import pandas
    from pyspark.sql import SparkSession

TOTALS = """
SELECT currency, sum(order_count) AS order_count, sum(unit_count) AS unit_count, sum(gross_amount) AS gross_amount,
       sum(discount_amount) AS discount_amount, sum(net_amount) AS net_amount, sum(tax_amount) AS tax_amount
FROM marts.daily_revenue GROUP BY currency ORDER BY order_count DESC, currency"""

REVENUE = """
SELECT business_date, channel, net_amount, week_on_week_ratio FROM marts.daily_revenue
WHERE currency = :currency ORDER BY business_date, channel"""

CATEGORIES = """
SELECT category, channel, sum(net_amount) AS net_amount FROM gold.daily_revenue_mart
WHERE currency = :currency GROUP BY ALL ORDER BY category, channel"""

PRODUCTS = """
SELECT product_id, product_name, category, sum(sold_unit_count) AS sold, sum(returned_unit_count) AS returned,
       sum(net_amount) AS net_amount
FROM marts.product_performance WHERE currency = :currency
GROUP BY ALL ORDER BY net_amount DESC, product_id LIMIT 15"""

STOCK = """
SELECT stock.store_id, coalesce(store.name, stock.store_id) AS store_name, count_if(is_stocked_out) AS stocked_out,
       count_if(is_below_reorder_point AND NOT is_stocked_out) AS below_reorder_point,
       count_if(NOT is_below_reorder_point AND NOT is_stocked_out) AS in_stock
FROM marts.stock_cover AS stock LEFT JOIN gold.dim_store AS store ON store.store_id = stock.store_id
GROUP BY ALL ORDER BY stock.store_id"""

FUNNEL = """
SELECT sum(session_count) AS sessions, sum(viewed_count) AS viewed, sum(carted_count) AS carted,
       sum(checked_out_count) AS checked_out, sum(purchased_count) AS purchased
FROM marts.funnel"""

AGEING = "SELECT * FROM marts.payment_ageing ORDER BY currency, side, age"

REASONS = f"""
SELECT feed, reason, count(*) AS records FROM (
  {
    " UNION ALL ".join(
        f"SELECT '{feed.name}' AS feed, explode(reasons) AS reason FROM quarantine.{feed.name}" for feed in feeds()
    )
})
GROUP BY ALL ORDER BY records DESC, feed, reason LIMIT 25"""

BALANCE = """
SELECT name AS feed, sum(record_count) AS records, sum(current_count) AS current, sum(superseded_count) AS superseded,
       sum(duplicate_count) AS duplicate, sum(quarantined_count) AS quarantined, bool_and(is_closed) AS is_closed
FROM ops.row_reconciliation_latest GROUP BY name ORDER BY name"""

FRESHNESS = """
SELECT (SELECT max(published_at) FROM ops.releases) AS published_at,
       (SELECT min(business_date) FROM marts.daily_revenue) AS first_date,
       (SELECT max(business_date) FROM marts.daily_revenue) AS last_date"""


def ask(spark: "SparkSession", query: str, currency: str | None = None) -> "pandas.DataFrame":
    """Run a query and return its rows. Amounts are decimals."""
    # Delta's views fail over Spark Connect if the query has arguments (Delta 4.3.1). The currency comes from a query.
    return spark.sql(query.replace(":currency", f"'{currency}'")).toPandas()
