"""Drift: fields that a feed began to send or no longer sends. BRONZE accepts them, and the run log records them."""

from datetime import date
from typing import Any

from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow_spark.delta.writer import Tables

MOST_FIELDS = 100  # the most fields that a run records by name; it only counts the others
_SAID = {"added": "fields that the contract does not name", "missing": "fields of the contract that whole files lack"}


def notice(tables: Tables, contract: FeedContract, ingestion_date: date) -> list[dict[str, Any]]:
    """Print and return the drift in the date's slice of BRONZE.

    Returns: for each field and kind `column`, `kind`, `record_count` and `first_file`, as in `ops.runs`.

    The source chooses the names of fields, so the printed log has only their number.
    """
    drifted = tables.read_day(contract.bronze, ingestion_date).where(
        "_rescued_data IS NOT NULL OR _missing_fields IS NOT NULL"
    )
    if drifted.isEmpty():
        return []
    names = {"added": F.json_object_keys("_rescued_data"), "missing": F.split("_missing_fields", ", ")}
    fields = F.map_from_arrays(F.array(*map(F.lit, names)), F.array(*names.values()))
    each = drifted.select("_source_file", F.explode(fields).alias("kind", "columns"))
    each = each.select("_source_file", "kind", F.explode("columns").alias("column"))
    counted = each.groupBy("column", "kind").agg(
        F.count("*").alias("record_count"), F.min("_source_file").alias("first_file")
    )
    # The order is total, so that each run names the same hundred fields. Truncated names keep the row small.
    in_order = counted.orderBy(F.desc("record_count"), "kind", "column").withColumn(
        "column", F.left("column", F.lit(256))
    )
    totals = {row.kind: row for row in _totals(counted)}
    found = [row.asDict() for row in in_order.limit(MOST_FIELDS).collect()]
    for kind, total in totals.items():
        if (more := total.field_count - sum(row["kind"] == kind for row in found)) > 0:
            found.append({"column": f"({more} more)", "kind": kind, "record_count": 0, "first_file": total.first_file})
    for kind, total in sorted(totals.items()):
        print(
            f"drift: {contract.name} {ingestion_date} has {total.field_count} {_SAID[kind]} "
            f"(first in {total.first_file}); ops.drift names them"
        )
    return found


def _totals(counted):
    """Return per kind the number of drifted fields and the first file: `kind`, `field_count`, `first_file`."""
    return (
        counted.groupBy("kind")
        .agg(F.count("*").alias("field_count"), F.min("first_file").alias("first_file"))
        .collect()
    )
