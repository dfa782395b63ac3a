"""Batches into RAW and days through BRONZE and SILVER, without Airflow and the Jobs API."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import SparkSession

from retailflow.contracts import entity
from retailflow.raw import Manifest, Part, deliver, ulid
from retailflow_spark import bronze, silver
from retailflow_spark.tables import Tables


def put(raw, name: str, day: date, *records: dict | str, created_at: datetime | None = None) -> Manifest:
    """One more batch of a JSON feed. A record that is a string is written as it is."""
    moment = created_at or datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    listed = f'{{"{name}": [{", ".join(texts)}]}}'
    payload = {
        "json_pages": f"[{listed}]",
        "json_document": listed,
        "ndjson": "".join(f"{text}\n" for text in texts),
    }[entity(name).format].encode()
    suffix = ".ndjson" if entity(name).format == "ndjson" else ".json"
    parts = [Part(suffix, payload, len(records))] if records else []
    return deliver(raw, name, day, ulid(moment, payload.decode()), moment, parts)


def run_day(tables, raw_root: str, name: str, day: date) -> None:
    bronze.load_day(tables, raw_root, entity(name), day)
    silver.load_day(tables, entity(name), day, str(uuid.uuid4()))


def empty_catalog(spark: SparkSession) -> Tables:
    for schema in ("bronze", "silver", "quarantine", "gold", "gold_build", "ops"):
        spark.sql(f"DROP SCHEMA IF EXISTS spark_catalog.{schema} CASCADE")
        spark.sql(f"CREATE SCHEMA spark_catalog.{schema}")
    return Tables(spark, "spark_catalog")


def everything(tables, name: str) -> list[str]:
    """Every row of a table as text, in order."""
    return sorted(map(repr, tables.read(name).collect()))
