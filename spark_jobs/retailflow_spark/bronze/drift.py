"""Drift: fields that a feed began to send or no longer sends. BRONZE takes what comes; a notice says so."""

from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table
from retailflow_spark.tables import Tables

MOST_FIELDS = 100  # that a run records by name; of more, only their number
DRIFT = Table(
    name="ops.drift",
    description="Where records of a feed and date have other fields than the contract, per run of BRONZE.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the records.", required=True),
        Column(
            "column", "STRING", "Field by its path, as lines[].discount; or how many more there are.",
            required=True, classification="confidential",
        ),
        Column("kind", "STRING", "added: no contract names it. missing: a whole file lacks it.", required=True),
        Column("record_count", "BIGINT", "Records that have it, or lack it.", required=True),
        Column("first_file", "STRING", "The first such file, below the RAW root.", required=True),
        Column("databricks_run_id", "STRING", "The run that noticed.", required=True),
        Column("noticed_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("entity", "ingestion_date", "column", "kind", "databricks_run_id"),
)  # fmt: skip
_SAID = {"added": "fields that the contract does not name", "missing": "fields of the contract that whole files lack"}


def notice(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> None:
    """Record what differs in the date's slice of BRONZE, once per run; nothing where nothing does.

    Names of fields come from outside, so the log has only their number. On a day without drift the statistics of the
    slice's files already say so, and none is read.
    """
    drifted = tables.read_day(contract.bronze, ingestion_date).where(
        "_rescued_data IS NOT NULL OR _missing_fields IS NOT NULL"
    )
    if drifted.isEmpty():
        return
    names = {"added": F.json_object_keys("_rescued_data"), "missing": F.split("_missing_fields", ", ")}
    fields = F.map_from_arrays(F.array(*map(F.lit, names)), F.array(*names.values()))
    each = drifted.select("_source_file", F.explode(fields).alias("kind", "columns"))
    each = each.select("_source_file", "kind", F.explode("columns").alias("column"))
    counted = each.groupBy("column", "kind").agg(
        F.count("*").alias("record_count"), F.min("_source_file").alias("first_file")
    )
    # The order is total, so that the same hundred are named each time. Names that are cut keep the row small.
    in_order = counted.orderBy(F.desc("record_count"), "kind", "column").withColumn(
        "column", F.left("column", F.lit(256))
    )
    totals = {row.kind: row for row in _totals(counted)}
    found = [row.asDict() for row in in_order.limit(MOST_FIELDS).collect()]
    for kind, total in totals.items():
        if (more := total.field_count - sum(row["kind"] == kind for row in found)) > 0:
            found.append({"column": f"({more} more)", "kind": kind, "record_count": 0, "first_file": total.first_file})
    about = {"entity": contract.name, "ingestion_date": ingestion_date, "databricks_run_id": databricks_run_id}
    about["noticed_at"] = datetime.now(UTC)
    tables.create([DRIFT])
    tables.append_once([row | about for row in found], DRIFT, f"drift/{databricks_run_id}")
    for kind, total in sorted(totals.items()):
        print(
            f"drift: {contract.name} {ingestion_date} has {total.field_count} {_SAID[kind]} "
            f"(first in {total.first_file}); ops.drift names them"
        )


def _totals(counted):
    """Per kind, how many fields drifted, and the first file."""
    return (
        counted.groupBy("kind")
        .agg(F.count("*").alias("field_count"), F.min("first_file").alias("first_file"))
        .collect()
    )
