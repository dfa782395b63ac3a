"""gold.fact_web_sessions: one row per visit to the web shop.

The events of a visitor form streams: one per session_id, and one of the events without a session_id. Silence splits a
stream into sessions: 30 minutes without a session_id, 24 hours with one. So an event can change only sessions near it
in time.
"""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract
from retailflow_spark.delta.rows import same
from retailflow_spark.gold.affected_keys import distinct_keys, fetched_keys, of_keys
from retailflow_spark.gold.scd2 import UNKNOWN_ID
from retailflow_spark.gold.transform import Frames

DIMENSION = None
TOTALS = None

EVENT_TYPES = ("page_view", "product_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase")
STREAM = ("anonymous_id", "session_id")


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return the streams with a changed event, and each `session_date` on which one of their sessions may begin.

    These are the days of the changed events, and the days of stored sessions that the events belong to or may join.
    """
    moment, day = F.col("occurred_at"), F.to_date("occurred_at").alias("_day")
    events = with_visitor(changed["silver.clickstream"])
    touched = events.groupBy(*STREAM, day).agg(F.min(moment).alias("_first"), F.max(moment).alias("_last"))
    touched = touched.withColumns({"_first": F.col("_first") - _silence(), "_last": F.col("_last") + _silence()})
    touched, known = fetched_keys(touched)
    stored = _stored(tables["gold.fact_web_sessions"], touched, known)
    near = same(STREAM) & (F.col("_ended_at") >= F.col("_first")) & (F.col("_started_at") <= F.col("_last"))
    joined = touched.join(stored, near)
    extents = F.explode(F.sequence(F.to_date("_started_at"), F.to_date("_ended_at"))).alias("session_date")
    return distinct_keys(touched.select(*STREAM, F.col("_day").alias("session_date")), joined.select(*STREAM, extents))


def _stored(sessions: DataFrame, touched: DataFrame, known: pa.Table | None) -> DataFrame:
    """Return streams and extents of stored sessions. Literals skip sessions that no changed event can belong to."""
    possible = F.lit(False)
    for first, last in _runs(_days(touched, known)):
        begins, ends = F.col("session_date") <= F.lit(last), F.col("ended_at") >= F.lit(first).cast("timestamp")
        possible |= begins & ends
    found = sessions.where(possible)
    return found.select(*(F.col(name).alias(f"_{name}") for name in (*STREAM, "started_at", "ended_at")))


def _days(touched: DataFrame, known: pa.Table | None) -> list[date]:
    """Return each day that a span from `_first` to `_last` touches, in order. `known` are the fetched rows, if any."""
    if known is None:
        days = F.explode(F.sequence(F.to_date("_first"), F.to_date("_last"))).alias("day")
        return sorted(row.day for row in touched.select(days).distinct().collect())
    bounds = zip(*(pc.cast(known[name], pa.date32()).to_pylist() for name in ("_first", "_last")), strict=True)
    return sorted({first + timedelta(days=n) for first, last in set(bounds) for n in range((last - first).days + 1)})


def _runs(days: list[date]) -> list[tuple[date, date]]:
    """Return the first and last day of each run of consecutive days."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and (day - found[-1][1]).days <= 1:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def prune(tables: Frames, contract: GoldContract, keys: DataFrame, fetched: pa.Table | None) -> Frames:
    """Keep the events of the days of the sessions, and of the day before, which shows where a session begins.

    The keys have a date, so the dates are always fetched.
    """
    dates = set((keys.select("session_date").toArrow() if fetched is None else fetched)["session_date"].to_pylist())
    sessions = of_keys(tables["gold.fact_web_sessions"].where(F.col("session_date").isin(sorted(dates))), keys, *STREAM)
    extents = F.explode(F.sequence("session_date", F.to_date("ended_at"))).alias("day")
    dates |= {row.day for row in sessions.select(extents).distinct().collect()}
    dates |= {day - timedelta(days=1) for day in dates}
    events = tables["silver.clickstream"].where(F.col("occurred_date").isin(sorted(dates)))
    return {**tables, "silver.clickstream": events}


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per session of a visitor."""
    events = _with_session(of_keys(with_visitor(tables["silver.clickstream"]), keys, *STREAM))
    is_purchase = F.col("event_type") == "purchase"
    sessions = events.groupBy("anonymous_id", "session_id", "_visit").agg(
        F.min_by("event_id", _in_time()).alias("_first_event_id"),
        F.max_by("customer_id", F.when(F.col("customer_id") != UNKNOWN_ID, _in_time())).alias("customer_id"),
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
    # The first event identifies a session, because silence may split a session_id in two. As JSON, two different
    # identities are never the same text.
    identity = F.to_json(F.struct("anonymous_id", "session_id", F.col("_first_event_id").alias("event_id")))
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
    return of_keys(described, keys, *STREAM, "session_date")


def with_visitor(events: DataFrame) -> DataFrame:
    """Set `anonymous_id` of events without one to their session_id, else to the event itself."""
    return events.withColumn("anonymous_id", F.coalesce("anonymous_id", "session_id", "event_id"))


def _with_session(events: DataFrame) -> DataFrame:
    """Add `_visit`: the number of the session in its stream, which silence splits."""
    stream = Window.partitionBy(*STREAM).orderBy("occurred_at", "event_id")
    is_new = F.col("occurred_at") >= F.lag("occurred_at").over(stream) + _silence()
    opened = events.withColumn("_is_new", F.coalesce(is_new, F.lit(False)).cast("int"))
    return opened.withColumn("_visit", F.sum("_is_new").over(stream))


def _silence() -> Column:
    """Return the time without an event that ends a session."""
    minutes = F.when(F.col("session_id").isNull(), F.lit(30)).otherwise(F.lit(24 * 60))
    return F.make_dt_interval(mins=minutes)


def _in_time() -> Column:
    return F.struct("occurred_at", "event_id")


def _first_known(column: str, *parts: str) -> Column:
    """Return the value of the first event that has one; a struct of nulls counts as no value."""
    known = F.coalesce(*(F.col(f"{column}.{part}") for part in parts)) if parts else F.col(column)
    return F.min_by(column, F.when(known.isNotNull(), _in_time()))
