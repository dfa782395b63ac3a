"""Rows in the client, rows by key, and the difference between two sets of rows."""

from collections.abc import Iterable
from datetime import date
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from retailflow.contracts import Table

MOST_ROWS = 200_000  # that are fetched and sent back as rows of a query
MOST_LITERAL_BYTES = 64 * 2**20  # of these rows, in Arrow; serverless compute refuses 128 MB
KIND = "_kind"
NEW, CHANGED, GONE = "new", "changed", "gone"


def fetched(frame: DataFrame, most: int) -> pa.Table | None:
    """All rows; None where there are more than that, or too many bytes to go on as rows of a query."""
    rows = frame.limit(most + 1).toArrow()
    return rows if rows.num_rows <= most and may_be_literal(rows) else None


def may_be_literal(*rows: pa.Table | pa.RecordBatch) -> bool:
    """Whether these may go on as rows of a query."""
    # Not `nbytes`: pyarrow 26 crashes on a column of lists without rows, as Spark sends it.
    return sum(part.get_total_buffer_size() for part in rows) <= MOST_LITERAL_BYTES


def literal_rows(spark: SparkSession, rows: pa.Table, schema: StructType) -> DataFrame:
    """Fetched rows as rows of a query: whatever asks for them asks no table.

    Columns may be null and carry no comments. A MERGE that keeps its source aside loses both, and cannot be resolved
    where it had compared by them.
    """
    plain = StructType([StructField(column.name, column.dataType) for column in schema])
    return spark.createDataFrame(rows, plain)


def having(frame: DataFrame, keys: DataFrame) -> DataFrame:
    """The rows whose values of the columns of `keys` are one of its rows; a null is a null."""
    wanted = keys.toDF(*(f"_{name}" for name in keys.columns))
    return frame.join(wanted, same(keys.columns), "left_semi")


def same(names: Iterable[str]) -> Column:
    """Whether columns of two tables are the same, those of the second with a `_` before their names."""
    return reduce(Column.__and__, (F.col(name).eqNullSafe(F.col(f"_{name}")) for name in names))


def date_in(column: str, dates: Iterable[date]) -> str:
    """The condition of SQL that a column is one of these dates, by literals; never true where there is none."""
    literals = ", ".join(f"DATE '{value:%Y-%m-%d}'" for value in sorted(dates))
    return f"{column} IN ({literals or 'NULL'})"


def difference(current: DataFrame, wanted: DataFrame, table: Table) -> DataFrame:
    """The rows to write so that `current` becomes `wanted`, each with its `_kind`: new, changed or gone."""
    identity = list(table.identity)
    names = table.column_names
    old = current.select(F.struct(*names).alias("old"), *identity)
    new = wanted.select(F.struct(*names).alias("new"), *identity)
    changed = old.join(new, on=identity, how="full_outer").where(~F.col("old").eqNullSafe(F.col("new")))
    kind = F.when(F.col("new").isNull(), GONE).when(F.col("old").isNull(), NEW).otherwise(CHANGED).alias(KIND)
    return changed.select(F.coalesce("new", "old").alias("row"), kind).select("row.*", KIND)
