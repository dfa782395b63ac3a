"""RAW to BRONZE: the day's records as received, each once, with where it came from."""

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampType

from retailflow.contracts import Column, EntityContract
from retailflow.raw import Manifest, RawFile, batches_path, counted, day_path
from retailflow_spark.formats import JSON_FORMATS, BadFile, decode
from retailflow_spark.ledger import Counts
from retailflow_spark.tables import Tables

_ASIDE = ("_rescued_data", "_corrupt_record", "_missing_fields")
_WHERE = (
    StructField("_batch_id", StringType()),
    StructField("_source_file", StringType()),
    StructField("_position", LongType()),
    StructField("_ingestion_ts", TimestampType()),
)


def load_day(tables: Tables, raw_root: str, contract: EntityContract, ingestion_date: date) -> Counts:
    """Make the date's slice of BRONZE hold what RAW holds. Safe to repeat, also by two runs at once.

    Raises: BadFile where a file of the day is missing or is not what its manifest says; the slice then stays as it was.
    """
    tables.create([contract.bronze])
    manifests = read_manifests(tables.spark, raw_root, contract.name, ingestion_date)
    while True:
        records = read_day(tables.spark, raw_root, contract, ingestion_date, counted(manifests))
        _replace(tables, contract, ingestion_date, records)
        found = read_manifests(tables.spark, raw_root, contract.name, ingestion_date)
        if len(found) == len(manifests):
            break
        manifests = found  # a batch came meanwhile; another run may have stored it, and this one just undone that
    count = sum(file.records for manifest in counted(manifests) for file in manifest.files)
    return Counts(rows_read=count, rows_written=count, batches=[manifest.batch_id for manifest in manifests])


def _replace(tables: Tables, contract: EntityContract, ingestion_date: date, records: DataFrame) -> None:
    try:
        tables.replace_day(records, contract.bronze, ingestion_date)
    except PySparkException as error:
        if found := re.search(r"BadFile: (.+)", str(error)):  # Spark wraps what a worker raised in its own stack
            raise BadFile(found[1]) from None
        raise


def read_manifests(spark: SparkSession, raw_root: str, entity: str, ingestion_date: date) -> list[Manifest]:
    """The day's manifests, those of redacted batches too. Raises: FileNotFoundError where nothing was delivered."""
    path = f"{raw_root}/{batches_path(entity, ingestion_date)}"
    try:
        texts = spark.read.text(path, wholetext=True, pathGlobFilter="*.json").collect()
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            raise FileNotFoundError(f"{path}: nothing was delivered for {entity} on {ingestion_date}") from None
        raise
    return [Manifest.model_validate_json(row.value) for row in texts]


def read_day(
    spark: SparkSession, raw_root: str, contract: EntityContract, ingestion_date: date, manifests: list[Manifest]
) -> DataFrame:
    """The records of the day's batches, as BRONZE holds them. Only files that a manifest names are read.

    Raises: BadFile for a file that is missing and, when executed, for one that is not what its manifest says.
    """
    folder = day_path(contract.name, ingestion_date)
    named = {file.name: (manifest, file) for manifest in manifests for file in manifest.files}
    records_of = partial(decoded, form=contract.format, entity=contract.name, columns=contract.feed_columns)
    for name in [name for name, (_, file) in named.items() if file.bytes == 0]:  # Spark's reader skips such a file
        deque(records_of(b"", folder, *named.pop(name)))
    if not named:
        return spark.createDataFrame([], decoded_schema(contract)).select(*stored_columns(contract, ingestion_date))
    stored = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", "batch_*")
        .load(f"{raw_root}/{folder}")
        .select(F.col("_metadata.file_name").alias("name"), "content")
    )
    absent = named.keys() - {row.name for row in stored.select("name").collect()}
    if absent:
        manifest, file = named[min(absent)]
        wrong = f"is named by a manifest and missing from RAW, or empty there ({len(absent)} such)"
        raise _bad_file(f"{folder}/{file.name}", wrong, manifest)

    def records(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                yield from records_of(row["content"], folder, *named[row["name"]])

    files = stored.where(F.col("name").isin(*named))
    return files.mapInArrow(records, decoded_schema(contract)).select(*stored_columns(contract, ingestion_date))


def decoded(
    content: bytes, folder: str, manifest: Manifest, file: RawFile, form: str, entity: str, columns: tuple[Column, ...]
) -> Iterator[pa.RecordBatch]:
    """The records of a file with their places. Raises: BadFile where it is not what its manifest and contract say."""
    path, position = f"{folder}/{file.name}", 0
    try:
        _verify(content, file)
        for batch in decode(content, form, entity, columns):
            yield _with_place(batch, manifest, path, position)
            position += batch.num_rows
        if position != file.records:
            raise BadFile(f"holds {position} records; its manifest says {file.records}")
    except BadFile as error:
        raise _bad_file(path, str(error), manifest) from None


def _verify(content: bytes, file: RawFile) -> None:
    if len(content) != file.bytes:
        raise BadFile(f"has {len(content)} bytes; its manifest says {file.bytes}")
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise BadFile(f"has the SHA-256 {found}; its manifest says {file.sha256}")


def _bad_file(path: str, wrong: str, manifest: Manifest) -> BadFile:
    remedy = f"Have it delivered again as a new batch, and take _batches/{manifest.batch_id}.json out of RAW"
    return BadFile(f"{path} {wrong}. {remedy}.")


def _with_place(batch: pa.RecordBatch, manifest: Manifest, path: str, start: int) -> pa.RecordBatch:
    rows = batch.num_rows
    place = {
        "_batch_id": pa.repeat(pa.scalar(manifest.batch_id), rows),
        "_source_file": pa.repeat(pa.scalar(path), rows),
        "_position": pa.array(range(start, start + rows), pa.int64()),
        "_ingestion_ts": pa.repeat(pa.scalar(manifest.created_at, pa.timestamp("us", "UTC")), rows),
    }
    return pa.RecordBatch.from_arrays([*batch.columns, *place.values()], names=[*batch.schema.names, *place])


def decoded_schema(contract: EntityContract) -> StructType:
    """What the decoder gives: a record's text for JSON, the feed's columns otherwise, and its place."""
    if contract.format in JSON_FORMATS:
        names = ["_record", *_ASIDE[1:]]
    else:
        names = [*(column.name for column in contract.feed_columns), *_ASIDE]
    return StructType([*(StructField(name, StringType()) for name in names), *_WHERE])


def stored_columns(contract: EntityContract, ingestion_date: date) -> list:
    """BRONZE's columns of a decoded record. A JSON object is taken apart one level deep; what is nested stays text."""
    names = [column.name for column in contract.feed_columns]
    if contract.format in JSON_FORMATS:
        fields = F.from_json("_record", "map<string,string>")
        unknown = F.map_filter(fields, lambda name, _: ~name.isin(*names))
        received = [F.try_element_at(fields, F.lit(name)).alias(name) for name in names]
        received += [
            F.when(F.size(unknown) > 0, F.to_json(unknown)).alias("_rescued_data"),
            F.when(fields.isNull(), F.coalesce("_corrupt_record", "_record")).alias("_corrupt_record"),
        ]
    else:
        received = [F.col(name) for name in (*names, *_ASIDE[:2])]
    place = {name: F.col(name) for name in ("_missing_fields", *(field.name for field in _WHERE))}
    place["ingestion_date"] = F.lit(ingestion_date)
    # JSON leaves nulls out, so an absent field and a null one, which are the same to us, are the same here.
    place["_record_md5"] = F.md5(F.to_json(F.struct(*received)))
    order = [name for name in contract.bronze.column_names if name in place]
    return received + [place[name].alias(name) for name in order]
