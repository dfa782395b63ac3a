"""Decode a file as BRONZE does and validate it as SILVER does, without a table."""

import hashlib
from datetime import UTC, date, datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from retailflow.contracts import feed_contract
from retailflow.manifests import Manifest, RawFile
from retailflow_spark.bronze.load import decoded, decoded_schema, stored_columns
from retailflow_spark.silver.validate import REASONS, validate

DAY = date(2026, 1, 15)
MADE_AT = datetime(2026, 1, 16, tzinfo=UTC)


def received(spark: SparkSession, name: str, payload: bytes, records: int) -> DataFrame:
    """Return the rows of BRONZE for one file, made a day after its ingestion date: the columns of BRONZE."""
    contract = feed_contract(name)
    file = RawFile(name="batch_1", bytes=len(payload), sha256=hashlib.sha256(payload).hexdigest(), records=records)
    manifest = Manifest(batch_id="0" * 26, entity=name, ingestion_date=DAY, created_at=MADE_AT, files=(file,))
    folder, columns = f"{name}/ingestion_date={DAY}", contract.feed_columns
    batches = list(decoded(payload, folder, manifest, file, contract.format, name, columns))
    frame = spark.createDataFrame(pa.Table.from_batches(batches), decoded_schema(contract))
    return frame.select(*stored_columns(contract, F.lit(DAY)))


def reasons(spark: SparkSession, name: str, payload: bytes, records: int) -> list[list[str]]:
    """Return the reasons why each record of a file is invalid, in order; empty for a valid record."""
    validated = validate(received(spark, name, payload, records), feed_contract(name))
    return [row[REASONS] for row in validated.orderBy("_position").select(REASONS).collect()]
