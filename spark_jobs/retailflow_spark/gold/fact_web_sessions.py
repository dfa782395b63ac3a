"""gold.fact_web_sessions: one row per visit to the web shop.

The events of a visitor are streams: one for each session_id, which is a session wherever its events are, and one of
those without, which silence cuts into sessions. What an event changes of that stream is bounded in time.
"""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from retailflow_spark.gold.scope import in_range, within
from retailflow_spark.tables import same

EVENT_TYPES = ("page_view", "product_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase")
STREAM = ("anonymous_id", "session_id")


def scope(changed: Mapping[str, DataFrame], tables: Mapping[str, DataFrame]) -> DataFrame:
    """Streams with a changed event, and each `session_date` on which a session of theirs may begin, as stored or anew.

    Without a session_id these are the dates from the first changed event, or the beginning of a stored session that
    reaches it, to half an hour after the last. What begins there ends where it did, or by a changed event.
    """
    moment, has_no_id = F.col("occurred_at"), F.col("session_id").isNull()
    first, last = F.min(moment) - _silence(), F.max(moment) + _silence()
    events = with_visitor(changed["silver.clickstream"])
    touched = events.groupBy(*STREAM).agg(first.alias("first"), last.alias("last"))
    reaches = (F.col("_ended_at") >= F.col("first")) & (F.to_date("_started_at") <= F.to_date("last"))
    near = same(STREAM) & (reaches | ~has_no_id)
    found = touched.join(_stored(tables["gold.fact_web_sessions"], touched), near, "left")
    until = F.when(has_no_id, F.col("last")).otherwise(F.greatest("last", "_ended_at"))
    spans = found.groupBy(*STREAM).agg(
        F.min(F.least("first", "_started_at")).alias("since"), F.max(until).alias("until")
    )
    return spans.select(*STREAM, F.explode(F.sequence(F.to_date("since"), F.to_date("until"))).alias("session_date"))


def _stored(sessions: DataFrame, touched: DataFrame) -> DataFrame:
    """The streams and extents of stored sessions, as far as literals tell which a changed event may belong to."""
    has_no_id = F.col("session_id").isNull()
    bounds = touched.agg(
        F.min("session_id").alias("least"),
        F.max("session_id").alias("greatest"),
        F.min(F.when(has_no_id, F.col("first"))).cast("date").alias("since"),
        F.max(F.when(has_no_id, F.col("last"))).cast("date").alias("until"),
    ).first()
    in_time = (F.col("ended_at") >= F.lit(bounds.since)) & (F.col("started_at") < F.date_add(F.lit(bounds.until), 1))
    found = sessions.where(in_range("session_id", bounds.least, bounds.greatest, in_time))
    return found.select(*(F.col(name).alias(f"_{name}") for name in (*STREAM, "started_at", "ended_at")))


def bounded(tables: Mapping[str, DataFrame], scope: DataFrame) -> dict[str, DataFrame]:
    """The events that the sessions in scope can be made of: a session begins where none is half an hour before."""
    bounds = scope.agg(
        F.min("session_id").alias("least"),
        F.max("session_id").alias("greatest"),
        F.min(F.when(F.col("session_id").isNull(), F.col("session_date"))).alias("since"),
    ).first()
    possible = in_range("session_id", bounds.least, bounds.greatest, since(bounds.since))
    return {**tables, "silver.clickstream": tables["silver.clickstream"].where(possible)}


def rows(tables: Mapping[str, DataFrame], scope: DataFrame | None) -> DataFrame:
    """The sessions in scope."""
    events = _with_session(within(with_visitor(tables["silver.clickstream"]), scope, *STREAM))
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
    described = sessions.select(
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
    return within(described, scope, *STREAM, "session_date")


def with_visitor(events: DataFrame) -> DataFrame:
    """Events of nobody in particular belong to their session's visitor, or stand alone."""
    return events.withColumn("anonymous_id", F.coalesce("anonymous_id", "session_id", "event_id"))


def since(day: date | None) -> Column:
    """Whether an event may belong to a session that begins on this day or later, or shows that it began before."""
    return F.col("occurred_at") >= F.date_sub(F.lit(day), 1)


def _with_session(events: DataFrame) -> DataFrame:
    """`_visit` numbers what 30 minutes of silence set apart among a visitor's events without session id, else 0."""
    stream = Window.partitionBy("anonymous_id", "session_id").orderBy("occurred_at", "event_id")
    last = F.lag("occurred_at").over(stream)
    is_new = F.col("session_id").isNull() & (F.col("occurred_at") >= last + _silence())
    opened = events.withColumn("_is_new", F.coalesce(is_new, F.lit(False)).cast("int"))
    return opened.withColumn("_visit", F.sum("_is_new").over(stream))


def _silence() -> Column:
    return F.expr("INTERVAL 30 MINUTES")


def _in_time() -> Column:
    return F.struct("occurred_at", "event_id")


def _first_known(column: str, *parts: str) -> Column:
    """The value of the first event that has one; a struct of nulls is none."""
    known = F.coalesce(*(F.col(f"{column}.{part}") for part in parts)) if parts else F.col(column)
    return F.min_by(column, F.when(known.isNotNull(), _in_time()))
