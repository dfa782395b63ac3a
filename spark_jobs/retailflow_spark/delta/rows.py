"""Fetch rows to the client, select rows by key, and compare two sets of rows."""

from collections.abc import Iterable
from datetime import date
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from retailflow.contracts import Table

MOST_ROWS = 200_000  # the most rows that are fetched and sent back as literals of a query
MOST_LITERAL_BYTES = 64 * 2**20  # the most bytes of these rows, in Arrow; serverless compute refuses 128 MB
KIND = "_kind"
NEW, CHANGED, GONE = "new", "changed", "gone"


def fetched(frame: DataFrame, most: int) -> pa.Table | None:
    """Return all rows; None where there are more than `most`, or too many bytes for literals of a query."""
    rows = frame.limit(most + 1).toArrow()
    return rows if rows.num_rows <= most and may_be_literal(rows) else None


def may_be_literal(*rows: pa.Table | pa.RecordBatch) -> bool:
    """Return whether these rows are small enough for literals of a query."""
    # `nbytes` is no alternative: pyarrow 26 crashes on a column of lists without rows, as Spark sends it.
    return sum(part.get_total_buffer_size() for part in rows) <= MOST_LITERAL_BYTES


def literal_rows(spark: SparkSession, rows: pa.Table, schema: StructType) -> DataFrame:
    """Return fetched rows as literals of a query, so that later queries of these rows read no table.

    All columns are nullable and have no comments. A MERGE that materializes its source loses both properties, and Spark
    then cannot resolve the columns that it compares.
    """
    plain = StructType([StructField(column.name, column.dataType) for column in schema])
    return spark.createDataFrame(rows, plain)


def having(frame: DataFrame, keys: DataFrame) -> DataFrame:
    """Return the rows of `frame` whose key is a row of `keys`, by the columns of `keys`. Nulls are equal."""
    wanted = keys.toDF(*(f"_{name}" for name in keys.columns))
    return frame.join(wanted, same(keys.columns), "left_semi")


def same(names: Iterable[str]) -> Column:
    """Return the condition that columns of two tables are equal. Those of the second have the prefix `_`."""
    return reduce(Column.__and__, (F.col(name).eqNullSafe(F.col(f"_{name}")) for name in names))


def date_in(column: str, dates: Iterable[date]) -> str:
    """Return the SQL condition that a column is one of these dates, as literals. Without dates it is never true."""
    literals = ", ".join(f"DATE '{value:%Y-%m-%d}'" for value in sorted(dates))
    return f"{column} IN ({literals or 'NULL'})"


def difference(current: DataFrame, wanted: DataFrame, table: Table) -> DataFrame:
    """Return the rows that differ between `current` and `wanted`, with `_kind`: new, changed or gone."""
    identity = list(table.identity)
    names = table.column_names
    old = current.select(F.struct(*names).alias("old"), *identity)
    new = wanted.select(F.struct(*names).alias("new"), *identity)
    changed = old.join(new, on=identity, how="full_outer").where(~F.col("old").eqNullSafe(F.col("new")))
    kind = F.when(F.col("new").isNull(), GONE).when(F.col("old").isNull(), NEW).otherwise(CHANGED).alias(KIND)
    return changed.select(F.coalesce("new", "old").alias("row"), kind).select("row.*", KIND)
