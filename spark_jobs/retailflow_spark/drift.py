"""Drift: fields that a feed began to send or no longer sends. BRONZE takes what comes; a notice says so."""

from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table
from retailflow_spark.tables import Tables

DRIFT = Table(
    name="ops.drift",
    description="Where records of a feed and date have other fields than the contract, per run of BRONZE.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the records.", required=True),
        Column("column", "STRING", "Field of the record, or column of the file.", required=True),
        Column("kind", "STRING", "added: no contract names it. missing: a whole file lacks it.", required=True),
        Column("record_count", "BIGINT", "Records that have it, or lack it.", required=True),
        Column("first_file", "STRING", "The first such file, below the RAW root.", required=True),
        Column("databricks_run_id", "STRING", "The run that noticed.", required=True),
        Column("noticed_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("entity", "ingestion_date", "column", "kind", "databricks_run_id"),
)
_SAID = {"added": "has a new field {} in", "missing": "lacks {} in"}


def notice(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> None:
    """Record and print what differs in the date's slice of BRONZE, once per run; nothing where nothing does.

    On a day without drift the statistics of the slice's files already say so, and none is read.
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
    found = each.groupBy("column", "kind").agg(
        F.count("*").alias("record_count"), F.min("_source_file").alias("first_file")
    )
    about = {"entity": contract.name, "ingestion_date": ingestion_date, "databricks_run_id": databricks_run_id}
    about["noticed_at"] = datetime.now(UTC)
    rows = [row.asDict() | about for row in sorted(found.collect(), key=lambda row: (row.kind, row.column))]
    tables.create([DRIFT])
    tables.append_once(rows, DRIFT, f"drift/{databricks_run_id}")
    for row in rows:
        what = _SAID[row["kind"]].format(row["column"])
        print(f"drift: {contract.name} {ingestion_date} {what} {row['record_count']:,} records ({row['first_file']})")
