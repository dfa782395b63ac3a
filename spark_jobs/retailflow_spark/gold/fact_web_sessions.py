"""gold.fact_web_sessions: one row per visit to the web shop."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from retailflow_spark.gold.scope import within

EVENT_TYPES = ("page_view", "product_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase")


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """`anonymous_id` of every visitor with a changed event: one late event can join or split the others' sessions."""
    return with_visitor(changed["silver.clickstream"]).select("anonymous_id").distinct()


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The sessions of the visitors in scope."""
    events = _with_session(within(with_visitor(tables["silver.clickstream"]), scope, "anonymous_id"))
    is_purchase = F.col("event_type") == "purchase"
    sessions = events.groupBy("anonymous_id", "session_id", "_visit").agg(
        F.min_by("event_id", _in_time()).alias("_first_event_id"),
        F.max_by("customer_id", F.when(F.col("customer_id").isNotNull(), _in_time())).alias("customer_id"),
        F.min("occurred_at").alias("started_at"),
        F.max("occurred_at").alias("ended_at"),
        F.count("*").alias("event_count"),
        *(F.count_if(F.col("event_type") == name).alias(f"{name}_count") for name in EVENT_TYPES),
        F.count_distinct(F.when(is_purchase, F.col("order_id"))).alias("order_count"),
        F.coalesce(F.bool_or(is_purchase), F.lit(False)).alias("is_converted"),
        _first_known("page_url").alias("landing_page_url"),
        _first_known("device", "type", "os", "browser").alias("device"),
        _first_known("utm", "source", "medium", "campaign").alias("utm"),
    )
    # A session without an id of its own is named by its first event. As JSON, no two identities are the same text.
    first_event = F.when(F.col("session_id").isNull(), F.col("_first_event_id")).alias("event_id")
    identity = F.to_json(F.struct("anonymous_id", "session_id", first_event))
    return sessions.select(
        F.md5(identity).alias("session_sk"),
        *("anonymous_id", "session_id", "customer_id", "started_at", "ended_at"),
        F.to_date("started_at").alias("session_date"),
        F.timestamp_diff("SECOND", F.col("started_at"), F.col("ended_at")).alias("duration_seconds"),
        "event_count",
        *(f"{name}_count" for name in EVENT_TYPES),
        *("order_count", "is_converted", "landing_page_url"),
        *(F.col(f"device.{part}").alias(f"device_{part}") for part in ("type", "os", "browser")),
        *(F.col(f"utm.{part}").alias(f"utm_{part}") for part in ("source", "medium", "campaign")),
    )


def with_visitor(events: DataFrame) -> DataFrame:
    """Events of nobody in particular belong to their session's visitor, or stand alone."""
    return events.withColumn("anonymous_id", F.coalesce("anonymous_id", "session_id", "event_id"))


def _with_session(events: DataFrame) -> DataFrame:
    """`_visit` numbers what 30 minutes of silence set apart among a visitor's events without session id, else 0."""
    stream = Window.partitionBy("anonymous_id", "session_id").orderBy("occurred_at", "event_id")
    last = F.lag("occurred_at").over(stream)
    is_new = F.col("session_id").isNull() & (F.col("occurred_at") >= last + F.expr("INTERVAL 30 MINUTES"))
    opened = events.withColumn("_is_new", F.coalesce(is_new, F.lit(False)).cast("int"))
    return opened.withColumn("_visit", F.sum("_is_new").over(stream))


def _in_time() -> Column:
    return F.struct("occurred_at", "event_id")


def _first_known(column: str, *parts: str) -> Column:
    """The value of the first event that has one; a struct of nulls is none."""
    known = F.coalesce(*(F.col(f"{column}.{part}") for part in parts)) if parts else F.col(column)
    return F.min_by(column, F.when(known.isNotNull(), _in_time()))
