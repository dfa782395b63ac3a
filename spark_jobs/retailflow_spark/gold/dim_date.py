"""gold.dim_date: the calendar from 1990 to 2049, which covers every date of a valid record."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.gold.affected_keys import of_keys, prune_by_keys
from retailflow_spark.gold.transform import Dimension, Frames

DIMENSION = Dimension("calendar_date")
TOTALS = None
prune = prune_by_keys

FIRST, LAST = "1990-01-01", "2049-12-31"


def affected_keys(changed: Frames, tables: Frames) -> DataFrame:
    """Return `calendar_date` of the days that the table lacks: all at the first build, none afterwards."""
    return _days(tables).join(tables["gold.dim_date"], "calendar_date", "left_anti")


def build(tables: Frames, keys: DataFrame | None) -> DataFrame:
    """Return one row per day."""
    day = F.col("calendar_date")
    weekday = F.weekday(day) + 1
    return of_keys(_days(tables), keys, "calendar_date").select(
        day,
        F.year(day).alias("year_number"),
        F.quarter(day).alias("quarter_number"),
        F.month(day).alias("month_number"),
        F.date_format(day, "MMMM").alias("month_name"),
        F.trunc(day, "month").alias("month_start_date"),
        # The ISO week belongs to the year of its Thursday.
        F.year(F.date_add(day, 4 - weekday)).alias("iso_year_number"),
        F.weekofyear(day).alias("iso_week_number"),
        F.dayofmonth(day).alias("day_of_month_number"),
        weekday.alias("iso_weekday_number"),
        F.date_format(day, "EEEE").alias("weekday_name"),
        (weekday >= 6).alias("is_weekend"),
    )


def _days(tables: Frames) -> DataFrame:
    first, last = F.lit(FIRST).cast("date"), F.lit(LAST).cast("date")
    session = tables["gold.dim_date"].sparkSession
    return session.range(1).select(F.explode(F.sequence(first, last)).alias("calendar_date"))
