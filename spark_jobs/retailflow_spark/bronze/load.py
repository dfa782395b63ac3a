"""RAW to BRONZE: the records of a feed and ingestion date as received, each once, with its place in RAW."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampType

from retailflow.contracts import Column, FeedContract
from retailflow.manifests import BadManifest, Manifest, RawFile, counted
from retailflow.raw import SUCCESS, RawStore, batch_ids, day_path
from retailflow.release import installed
from retailflow_spark.bronze import drift
from retailflow_spark.bronze.decode import decode
from retailflow_spark.bronze.encoding import BadFile, check_size
from retailflow_spark.bronze.rows import ASIDE
from retailflow_spark.delta.rows import may_be_literal
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import RUNS, Counts, of

SMALL_DAY_BYTES = 8 * 2**20  # of RAW: the client itself decodes up to this size, without starting workers
_GZIP_FACTOR = 10
_MILLISECONDS = 42  # bits of a moment in milliseconds
_ATTEMPTS = 8
_PLACE = (
    StructField("_batch_id", StringType()),
    StructField("_source_file", StringType()),
    StructField("_position", LongType()),
    StructField("_ingested_at", TimestampType()),
)
Named = list[tuple[Manifest, RawFile]]


def load_day(
    tables: Tables, store: RawStore, contract: FeedContract, ingestion_date: date, run: Run | None = None
) -> Counts:
    """Make the date's slice of BRONZE equal to RAW, and record the run (None: no job runs it).

    If nothing has changed since the last run in the run log, it reads, writes and records nothing.

    Raises: BadManifest or BadFile where a delivery of the day is invalid; the slice does not change.
    """
    run = run or Run.alone("bronze", contract.name, ingestion_date)
    run_log.create(tables)
    if counts := _unchanged(tables, store, contract, ingestion_date):
        return counts
    counts, may_differ, writes = _load(tables, store, contract, ingestion_date)
    differs = drift.notice(tables, contract, ingestion_date) if may_differ else []
    run_log.record(tables, run, contract, counts, writes=writes, drift=differs)
    return counts


def _unchanged(tables: Tables, store: RawStore, contract: FeedContract, ingestion_date: date) -> Counts | None:
    """Return the counts of the last run if it is in the run log and RAW, contract, code and slice have not changed."""
    commit = tables.newest_of_day(contract.bronze.name, ingestion_date)
    if not (commit and commit.note) or commit.note != _note(contract, _tags(store, contract, ingestion_date)):
        return None
    rows = tables.read(RUNS.name).where(
        of("bronze", contract.name) & (F.col("ingestion_date") == F.lit(ingestion_date))
    )
    for row in rows.select("rows_read", "batches", "versions_after", "databricks_run_id").collect():
        if row.versions_after.get(contract.bronze.name) == commit.version:
            run_log.print_unchanged(f"bronze.{contract.name} {ingestion_date}", row.databricks_run_id)
            return Counts(rows_read=row.rows_read, rows_written=0, batches=row.batches)
    return None


def _tags(store: RawStore, contract: FeedContract, ingestion_date: date) -> dict[str, str]:
    return store.tags(day_path(contract.name, ingestion_date) + "/")


def _note(contract: FeedContract, tags: Mapping[str, str]) -> str:
    """Return a digest of everything that a slice of BRONZE is built from: the day's blobs in RAW, contract and code."""
    return hashlib.sha256(repr((contract, installed(), sorted(tags.items()))).encode()).hexdigest()


def _load(
    tables: Tables, store: RawStore, contract: FeedContract, ingestion_date: date
) -> tuple[Counts, bool, list[Write]]:
    """Load the slice of the date. Safe to repeat, also by several runs at once.

    A batch may arrive while a run reads. So a run lists the manifests again after it has written, and a slice of fewer
    manifests never replaces a slice of more.

    Returns: the counts, whether the fields of a record may differ from the contract, and the writes.
    """
    create(tables, [contract.bronze])
    writes: list[Write] = []
    for _ in range(_ATTEMPTS):
        tags = _tags(store, contract, ingestion_date)
        manifests = store.manifests(contract.name, ingestion_date, tags)
        if not manifests:
            raise BadManifest(
                f"{day_path(contract.name, ingestion_date)} has no manifest, though {SUCCESS} may be there: nothing "
                "says what was delivered. Have the source write it; for a day without records its `files` are empty"
            )
        records, may_differ = read_day(tables.spark, store, contract, ingestion_date, counted(manifests))
        sequence = (len(manifests) << _MILLISECONDS) + int(time.time() * 1000)
        write = _replace(tables, contract, ingestion_date, records, sequence, _note(contract, tags))
        known = {manifest.batch_id for manifest in manifests}
        writes += [write] if write else []
        if write and batch_ids(store, contract.name, ingestion_date) == known:
            count = sum(manifest.records for manifest in counted(manifests))
            return Counts(rows_read=count, rows_written=count, batches=sorted(known)), may_differ, writes
    raise RuntimeError(f"{contract.name} {ingestion_date}: other runs or deliveries came in between each time")


def _replace(
    tables: Tables, contract: FeedContract, ingestion_date: date, records: DataFrame, sequence: int, note: str
) -> Write | None:
    try:
        return tables.replace_day_in_sequence(records, contract.bronze, ingestion_date, sequence, note)
    except PySparkException as error:
        if found := re.search(r"BadFile: (.+)", str(error)):  # Spark wraps the error of a worker in its own stack trace
            raise BadFile(found[1]) from None
        raise


def read_day(
    spark: SparkSession, store: RawStore, contract: FeedContract, ingestion_date: date, batches: Iterable[Manifest]
) -> tuple[DataFrame, bool]:
    """Return the records of these batches as rows of BRONZE, and whether their fields may differ from the contract.

    It reads only files that a manifest names.

    Raises: BadFile, at once or when executed, for a file that is missing or contradicts its manifest or contract.
    """
    files = [(manifest, file) for manifest in batches for file in manifest.files]
    for manifest, file in files:
        _check_size(manifest, file)
    weight = _GZIP_FACTOR if contract.format.endswith("gzip") else 1
    is_small = sum(file.bytes for _, file in files) * weight <= SMALL_DAY_BYTES
    found = _decoded_here(store, contract, ingestion_date, files) if is_small else []
    if is_small and may_be_literal(*found):
        records, may_differ = _rows(spark, contract, found), any(map(_differs, found))
    else:
        records, may_differ = _read_in_workers(spark, store, contract, ingestion_date, files), True
    return records.select(*stored_columns(contract, F.lit(ingestion_date))), may_differ


def _check_size(manifest: Manifest, file: RawFile) -> None:
    """Check the size of a file in its manifest. Raises: BadFile where a worker would not have enough memory for it."""
    try:
        check_size(file.bytes, file.records)
    except BadFile as error:
        folder = day_path(manifest.entity, manifest.ingestion_date)
        raise _bad_file(f"{folder}/{file.name}", str(error), manifest) from None


def _differs(records: pa.RecordBatch) -> bool:
    return any(records.column(name).null_count < records.num_rows for name in ("_rescued_data", "_missing_fields"))


def _decoded_here(store: RawStore, contract: FeedContract, ingestion_date: date, files: Named) -> list[pa.RecordBatch]:
    from azure.core.exceptions import ResourceNotFoundError

    folder, found = day_path(contract.name, ingestion_date), []
    for manifest, file in files:
        try:
            content = store.read(f"{folder}/{file.name}")
        except (ResourceNotFoundError, KeyError):
            raise _missing(folder, manifest, file) from None
        found += decoded(content, folder, manifest, file, contract.format, contract.name, contract.feed_columns)
    return found


def _rows(spark: SparkSession, contract: FeedContract, batches: list[pa.RecordBatch]) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_batches(batches) if batches else [], decoded_schema(contract))


def _read_in_workers(
    spark: SparkSession, store: RawStore, contract: FeedContract, ingestion_date: date, files: Named
) -> DataFrame:
    folder, schema = day_path(contract.name, ingestion_date), decoded_schema(contract)
    records_of = partial(decoded, form=contract.format, feed=contract.name, columns=contract.feed_columns)
    empty = [one for one in files if one[1].bytes == 0]  # Spark's reader skips empty files
    named = {file.name: (manifest, file) for manifest, file in files if file.bytes}
    paths = [f"{store.root}/{folder}/{name}" for name in named]
    try:
        stored = spark.read.format("binaryFile").load(paths).select("_metadata.file_name", "content")
        stored.schema  # noqa: B018 - lists the files now, so that a missing file can be named
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        absent = [one for name, one in named.items() if not store.exists(f"{folder}/{name}")]
        raise _missing(folder, *absent[0]) from None

    def records(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for name, content in zip(batch.column(0), batch.column(1), strict=True):
                yield from records_of(content.as_py(), folder, *named[name.as_py()])

    rest = _rows(spark, contract, _decoded_here(store, contract, ingestion_date, empty))
    return stored.mapInArrow(records, schema).union(rest)


def decoded(
    content: bytes, folder: str, manifest: Manifest, file: RawFile, form: str, feed: str, columns: tuple[Column, ...]
) -> Iterator[pa.RecordBatch]:
    """Yield the records of a file with their places. Raises: BadFile where it contradicts its manifest or contract."""
    path, position = f"{folder}/{file.name}", 0
    try:
        _verify(content, file)
        for batch in decode(content, form, feed, columns, file.records):
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


def _missing(folder: str, manifest: Manifest, file: RawFile) -> BadFile:
    return _bad_file(f"{folder}/{file.name}", "is named by a manifest and missing from RAW", manifest)


def _bad_file(path: str, wrong: str, manifest: Manifest) -> BadFile:
    batch = f"{manifest.entity} {manifest.ingestion_date} {manifest.batch_id}"
    return BadFile(f"{path} {wrong}. Have it delivered again as a new batch, and withdraw this one: {batch}.")


def _with_place(batch: pa.RecordBatch, manifest: Manifest, path: str, start: int) -> pa.RecordBatch:
    rows = batch.num_rows
    place = {
        "_batch_id": pa.repeat(pa.scalar(manifest.batch_id), rows),
        "_source_file": pa.repeat(pa.scalar(path), rows),
        "_position": pa.array(range(start, start + rows), pa.int64()),
        "_ingested_at": pa.repeat(pa.scalar(manifest.created_at, pa.timestamp("us", "UTC")), rows),
    }
    return pa.RecordBatch.from_arrays([*batch.columns, *place.values()], names=[*batch.schema.names, *place])


def decoded_schema(contract: FeedContract) -> StructType:
    """Return the schema of `decoded`: the columns of `Rows.finish`, all text, and the place of the record."""
    names = [*(column.name for column in contract.feed_columns), *ASIDE, "_missing_fields", "_record_md5"]
    return StructType([*(StructField(name, StringType()) for name in names), *_PLACE])


def stored_columns(contract: FeedContract, ingestion_date: SparkColumn) -> list[SparkColumn]:
    """Return the columns of BRONZE from those of `decoded`."""
    known = {"ingestion_date": ingestion_date}
    return [known.get(name, F.col(name)).alias(name) for name in contract.bronze.column_names]
