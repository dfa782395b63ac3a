"""The datasets of a feed in a declarative pipeline (docs/LAKEFLOW.md): BRONZE, quarantine, SILVER.

The rules are those of the jobs: `bronze` decodes, `silver` validates. A query function of a pipeline must neither run
nor analyse a query, so nothing here reads the columns of a frame.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import DataStreamReader, StatefulProcessor, StatefulProcessorHandle
from pyspark.sql.types import BinaryType, DateType, LongType, StringType, StructField, StructType

from retailflow.contracts import Column, FeedContract, Table, feed_contract
from retailflow.contracts.ddl import column_definition
from retailflow.contracts.model import ORDER
from retailflow.manifests import BadManifest, Manifest, Unreadable, counted, stored_manifest
from retailflow.raw import day_path
from retailflow_spark.bronze.load import decoded, decoded_schema, stored_columns
from retailflow_spark.silver.validate import FENCE, REASONS, invalid, latest_per_key, reasons, valid, validate

RAW_ROOT = "retailflow.raw_root"  # the setting of a pipeline with the URI of RAW
_FILE = StructType(
    [StructField("day", StringType()), StructField("name", StringType()), StructField("content", BinaryType())]
)
_SAID = StructType([StructField("_source_file", StringType()), StructField("record_count", LongType())])
_BINARY_FILE = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"


@dataclass(frozen=True)
class Feed:
    """A feed whose RAW is at the URI `raw_root`."""

    spark: SparkSession
    contract: FeedContract
    raw_root: str

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of the total order. The greatest record of a key is the one that counts."""
        return (self.contract.version_column, *ORDER)

    @property
    def files_table(self) -> Table:
        """The table that compares the files in the manifests with those in BRONZE: one row per file."""
        return Table(
            name=f"bronze.{self.contract.name}_files",
            description=f"The files of {self.contract.name}: what their manifests say, and what BRONZE has of them.",
            columns=(
                Column("_source_file", "STRING", "File, below the RAW root."),
                Column("record_count", "BIGINT", "Records by its manifest; 0 where no batch that counts has it."),
                Column("stored_count", "BIGINT", "Records in BRONZE."),
            ),
            key=("_source_file",),
        )

    def bronze(self) -> DataFrame:
        """Return a stream of the records as received. A batch enters once its manifest and all its files are there.

        Raises, when executed: BadFile for a file that contradicts its manifest.
        """
        schema = decoded_schema(self.contract).add("ingestion_date", DateType())
        files = self._raw(self.spark.readStream, "{batch_*,_batches/*.json}")
        records = files.groupBy("day").transformWithStateInPandas(_Decoder(self.contract), schema, "append", "none")
        return records.select(*stored_columns(self.contract, F.col("ingestion_date")))

    def files(self) -> DataFrame:
        """Return the rows of `files_table`. Counts differ if BRONZE lacks records or has records that do not count."""
        name = self.contract.name

        def named(frame: pd.DataFrame) -> pd.DataFrame:
            found = [
                (f"{day_path(name, manifest.ingestion_date)}/{file.name}", file.records)
                for manifest in _batches(name, frame["day"].iloc[0], zip(frame["name"], frame["content"], strict=True))
                for file in manifest.files
            ]
            return pd.DataFrame(found, columns=_SAID.names)

        manifests = self._raw(self.spark.read, "_batches/*.json").groupBy("day")
        said = manifests.applyInPandas(named, _SAID)
        stored = self.spark.read.table(path(self.contract.bronze)).groupBy("_source_file")
        both = said.join(stored.agg(F.count("*").alias("stored_count")), "_source_file", "full")
        return both.select(
            "_source_file", *(F.coalesce(name, F.lit(0)).alias(name) for name in ("record_count", "stored_count"))
        )

    def validated(self) -> DataFrame:
        """Return a stream of the records of BRONZE, as `validate` returns them."""
        return validate(self.spark.readStream.table(path(self.contract.bronze)), self.contract)

    def quarantine(self) -> DataFrame:
        """Return a stream of the records that break the contract, with the reasons."""
        return invalid(self.validated(), self.contract)

    def latest(self) -> DataFrame:
        """Return the latest valid record of each key, from all of BRONZE: it is SILVER where there is no AUTO CDC."""
        validated = validate(self.spark.read.table(path(self.contract.bronze)), self.contract)
        return latest_per_key(valid(validated, self.contract), self.contract.silver.key, self.order)

    def drops(self) -> dict[str, str]:
        """Return expectations of `validated`, by name: one per reason of quarantine. A row that fails one is invalid.

        Each one names the fence. Without it Spark would repeat all rules in each expectation.
        """
        said = reasons(self.contract)
        return {one: f"{FENCE} >= 0 AND NOT array_contains({REASONS}, '{_escaped(one)}')" for one in said}

    def warnings(self) -> dict[str, str]:
        """Return expectations of `validated`, by name. A row that fails one is valid; the pipeline counts it."""
        return {check.reason: f"coalesce({check.expression}, true)" for check in self.contract.silver.warnings}

    def _raw(self, reader: DataFrameReader | DataStreamReader, pattern: str) -> DataFrame:
        """Return the feed's files in RAW, of all days: `day`, `name`, `content`. Skips files that have disappeared."""
        reader = reader.format("binaryFile").schema(_BINARY_FILE).option("ignoreMissingFiles", "true")
        found = reader.load(f"{self.raw_root}/{self.contract.name}/ingestion_date=*/{pattern}")
        day, name = F.regexp_extract("path", r"ingestion_date=([^/]+)", 1), F.substring_index("path", "/", -1)
        # `to` declares the columns. Without it, grouping would ask the server for them.
        return found.select(day.alias("day"), name.alias("name"), "content").to(_FILE)


class _Decoder(StatefulProcessor):
    """Keeps the files of a day until all files of their batch are there; then emits its records and drops the files."""

    def __init__(self, contract: FeedContract) -> None:
        self._contract = contract

    def init(self, handle: StatefulProcessorHandle) -> None:
        self._kept = handle.getMapState("kept", "name STRING", "content BINARY")

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any) -> Iterator[pd.DataFrame]:
        for frame in rows:
            for name, content in zip(frame["name"], frame["content"], strict=True):
                self._kept.updateValue((name,), (content,))
        kept = {name for (name,) in self._kept.keys()}  # noqa: SIM118 - a MapState is not a dict
        manifests = [(name, self._content(name)) for name in sorted(kept) if not name.startswith("batch_")]
        for manifest in _batches(self._contract.name, key[0], manifests):
            # Spark's reader may skip an empty file.
            if all(file.name in kept or file.bytes == 0 for file in manifest.files):
                yield from self._records(manifest, kept)
                done = [file.name for file in manifest.files]
                if manifest.supersedes is None:  # else keep it, or a kept manifest that it supersedes would count again
                    done.append(f"{manifest.batch_id}.json")
                for name in done:
                    self._kept.removeKey((name,))

    def _records(self, manifest: Manifest, kept: set[str]) -> Iterator[pd.DataFrame]:
        """Yield records file by file: a worker of serverless compute lacks the memory for all files of a day."""
        contract, folder = self._contract, day_path(self._contract.name, manifest.ingestion_date)
        for file in manifest.files:
            content = self._content(file.name) if file.name in kept else b""
            columns = contract.feed_columns
            for batch in decoded(content, folder, manifest, file, contract.format, contract.name, columns):
                yield batch.to_pandas().assign(ingestion_date=manifest.ingestion_date)

    def _content(self, name: str) -> bytes:
        return self._kept.getValue((name,))[0]

    def close(self) -> None:
        pass


def _batches(feed: str, day: str, named: Iterable[tuple[str, bytes]]) -> list[Manifest]:
    """Return the batches of a day that count, from the names and contents of its manifests.

    Raises: BadManifest for a manifest that cannot be read and is not withdrawn.
    """
    once = dict(named)  # a Blob endpoint may list a folder twice: as a blob and as a prefix
    ingestion_date = date.fromisoformat(day)
    found = counted(stored_manifest(name, content, feed, ingestion_date) for name, content in once.items())
    for manifest in found:
        if isinstance(manifest, Unreadable):
            raise BadManifest(manifest.wrong)
    return found


def feed(name: str) -> Feed:
    """Return a feed of the running pipeline. Raises: ValueError where the setting for RAW is missing."""
    spark = SparkSession.active()
    try:
        raw_root = spark.conf.get(RAW_ROOT)  # serverless compute refuses an absent key even with a default
    except PySparkException:
        message = f"the pipeline has no setting {RAW_ROOT}: give it the URI of RAW in its configuration"
        raise ValueError(message) from None
    return Feed(spark, feed_contract(name), raw_root)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def path(table: Table) -> str:
    """Return the name of the pipeline's own table. It is in the schema of its layer, so the same grants apply."""
    return f"{table.name}_lakeflow"


def described(table: Table) -> dict[str, Any]:
    """Return name, comment, columns and partition of a dataset, as arguments of its decorator."""
    columns = (replace(column, required=False) for column in table.columns)  # open source refuses NOT NULL for a query
    return {
        "name": path(table),
        "comment": table.description,
        "schema": ", ".join(map(column_definition, columns)),
        "partition_cols": list(table.partition) or None,
    }
