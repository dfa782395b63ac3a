"""Deliver batches to RAW and run days through BRONZE and SILVER, without Airflow and the Jobs API."""

import csv
import gzip
import io
import json
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import SparkSession

from retailflow.contracts import feed_contract
from retailflow.manifests import Manifest, ulid
from retailflow.raw import Part, RawStore, deliver
from retailflow_local import azurite
from retailflow_local.workspace import Workspace
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.writer import Tables
from retailflow_spark.silver import load as silver


def put(raw, name: str, day: date, *records: dict | str, created_at: datetime | None = None) -> Manifest:
    """Deliver one more batch of a JSON or CSV feed. A record that is a string is written unchanged."""
    moment = created_at or datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    form = feed_contract(name).format
    text = csv_text(records) if form == "csv" else _json(form, name, records)
    payload = gzip.compress(text.encode(), mtime=0) if form == "ndjson_gzip" else text.encode()
    suffix = {"ndjson": ".ndjson", "ndjson_gzip": ".ndjson.gz", "csv": ".csv"}.get(form, ".json")
    parts = [Part(suffix, payload, len(records))] if records else []
    return deliver(raw, name, day, ulid(moment, text), moment, parts)


def _json(form: str, name: str, records: Sequence[dict | str]) -> str:
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    listed = f'{{"{name}": [{", ".join(texts)}]}}'
    return {
        "json_pages": f"[{listed}]",
        "json_document": listed,
        "ndjson": "".join(f"{text}\n" for text in texts),
    }[form.removesuffix("_gzip")]


def csv_text(records: Sequence[dict | str]) -> str:
    """Return records as CSV. The header has all fields of all records; missing fields are empty."""
    fields = list(dict.fromkeys(name for record in records if isinstance(record, dict) for name in record))
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    for record in (fields, *records):
        if isinstance(record, str):
            content.write(f"{record}\n")
        else:
            writer.writerow([record.get(name) for name in fields] if isinstance(record, dict) else record)
    return content.getvalue()


def run_day(tables, raw: RawStore, name: str, day: date) -> None:
    bronze.load_day(tables, raw, feed_contract(name), day)
    silver.load_day(tables, feed_contract(name), day)


def new_container(workspace: Workspace) -> RawStore:
    """Create a RAW container for the caller alone; `root` is its URI for Spark."""
    container = azurite.container(workspace.ports["azurite"], f"raw-{uuid.uuid4().hex[:12]}")
    return RawStore(container, f"abfs://{container.container_name}@devstoreaccount1.dfs.core.windows.net")


def restricted(workspace: Workspace, raw: RawStore, actions: Collection[str]) -> RawStore:
    """Return the same container for an identity that has only these data actions of Azure."""
    return RawStore.from_connection_string(connection_string(workspace, raw, actions), container_name(raw), raw.root)


def connection_string(workspace: Workspace, raw: RawStore, actions: Collection[str]) -> str:
    return azurite.restricted_connection_string(workspace.ports["azurite"], actions, container_name(raw))


def container_name(raw: RawStore) -> str:
    return raw.root.partition("://")[2].partition("@")[0]


def empty_catalog(spark: SparkSession) -> Tables:
    for schema in ("bronze", "silver", "quarantine", "gold", "gold_build", "ops"):
        spark.sql(f"DROP SCHEMA IF EXISTS spark_catalog.{schema} CASCADE")
        spark.sql(f"CREATE SCHEMA spark_catalog.{schema}")
    return Tables(spark, "spark_catalog")


def everything(tables, name: str) -> list[str]:
    """Return every row of a table as text, sorted."""
    return sorted(map(repr, tables.read(name).collect()))
