"""The datasets of a feed as a declarative pipeline has them (docs/LAKEFLOW.md): BRONZE, quarantine, SILVER.

The rules are the jobs' own: `bronze` decodes, `silver` validates. The query function of a pipeline may neither run nor
analyse a query, so nothing here asks a frame for its columns.
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

from retailflow.contracts import Column, EntityContract, Table, entity
from retailflow.contracts.ddl import column_definition
from retailflow.contracts.model import ORDER
from retailflow.manifests import BadManifest, Manifest, Unreadable, counted, stored_manifest
from retailflow.raw import day_path
from retailflow_spark.bronze.load import decoded, decoded_schema, stored_columns
from retailflow_spark.silver.validate import FENCE, REASONS, invalid, latest_per_key, reasons, valid, validate

RAW_ROOT = "retailflow.raw_root"  # the setting of a pipeline that says where RAW is
_FILE = StructType(
    [StructField("day", StringType()), StructField("name", StringType()), StructField("content", BinaryType())]
)
_SAID = StructType([StructField("_source_file", StringType()), StructField("record_count", LongType())])
_BINARY_FILE = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"


@dataclass(frozen=True)
class Feed:
    """A feed whose RAW is at the URI `raw_root`."""

    spark: SparkSession
    contract: EntityContract
    raw_root: str

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of the total order: of the records of a key, the greatest is the one that counts."""
        return (self.contract.version_column, *ORDER)

    @property
    def files_table(self) -> Table:
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
        """A stream of the records as received, of each batch once its manifest and all its files are there.

        Raises, when executed: BadFile for a file that is not what its manifest says.
        """
        schema = decoded_schema(self.contract).add("ingestion_date", DateType())
        files = self._raw(self.spark.readStream, "{batch_*,_batches/*.json}")
        records = files.groupBy("day").transformWithStateInPandas(_Decoder(self.contract), schema, "append", "none")
        return records.select(*stored_columns(self.contract, F.col("ingestion_date")))

    def files(self) -> DataFrame:
        """What `files_table` holds. The two counts differ where BRONZE lacks records, or has some that do not count."""
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
        """A stream of the records of BRONZE, typed, with what is wrong with them."""
        return validate(self.spark.readStream.table(path(self.contract.bronze)), self.contract)

    def quarantine(self) -> DataFrame:
        """A stream of the records that break the contract, with the reasons."""
        return invalid(self.validated(), self.contract)

    def latest(self) -> DataFrame:
        """The latest valid record of each key, from all of BRONZE: SILVER where there is no AUTO CDC."""
        validated = validate(self.spark.read.table(path(self.contract.bronze)), self.contract)
        return latest_per_key(valid(validated, self.contract), self.contract.silver.key, self.order)

    def drops(self) -> dict[str, str]:
        """Expectations of `validated`, by name: one for each reason of quarantine. A row that misses one is invalid.

        Each names the fence, without which Spark would write all rules out once for each of them.
        """
        said = reasons(self.contract)
        return {one: f"{FENCE} >= 0 AND NOT array_contains({REASONS}, '{_escaped(one)}')" for one in said}

    def warnings(self) -> dict[str, str]:
        """Expectations of `validated`, by name: a row that misses one is valid, and counted."""
        return {check.reason: f"coalesce({check.expression}, true)" for check in self.contract.silver.warnings}

    def _raw(self, reader: DataFrameReader | DataStreamReader, pattern: str) -> DataFrame:
        """Files of the feed in RAW, of all days. One that is taken out of RAW meanwhile is passed over."""
        reader = reader.format("binaryFile").schema(_BINARY_FILE).option("ignoreMissingFiles", "true")
        found = reader.load(f"{self.raw_root}/{self.contract.name}/ingestion_date=*/{pattern}")
        day, name = F.regexp_extract("path", r"ingestion_date=([^/]+)", 1), F.substring_index("path", "/", -1)
        # `to` says the columns, for which grouping would otherwise ask the server.
        return found.select(day.alias("day"), name.alias("name"), "content").to(_FILE)


class _Decoder(StatefulProcessor):
    """Keeps the files of a day until those of their batch are all there; then gives its records and forgets them."""

    def __init__(self, contract: EntityContract) -> None:
        self._contract = contract

    def init(self, handle: StatefulProcessorHandle) -> None:
        self._kept = handle.getMapState("kept", "name STRING", "content BINARY")

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any) -> Iterator[pd.DataFrame]:
        for frame in rows:
            for name, content in zip(frame["name"], frame["content"], strict=True):
                self._kept.updateValue((name,), (content,))
        kept = {name for (name,) in self._kept.keys()}  # noqa: SIM118 - a MapState is no dict
        manifests = [(name, self._content(name)) for name in sorted(kept) if not name.startswith("batch_")]
        for manifest in _batches(self._contract.name, key[0], manifests):
            # Spark's reader may pass over an empty file.
            if all(file.name in kept or file.bytes == 0 for file in manifest.files):
                yield from self._records(manifest, kept)
                done = [file.name for file in manifest.files]
                if manifest.supersedes is None:  # else it stays: the other one may be kept, and would count again
                    done.append(f"{manifest.batch_id}.json")
                for name in done:
                    self._kept.removeKey((name,))

    def _records(self, manifest: Manifest, kept: set[str]) -> Iterator[pd.DataFrame]:
        """Of one file after the other: a worker of serverless compute has no memory for all files of a day."""
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
    """The batches of a day that count, by the names and contents of their manifests.

    Raises: BadManifest for one that cannot be read and is not withdrawn.
    """
    once = dict(named)  # a Blob endpoint may list a folder twice: as a blob, and as the prefix of others
    ingestion_date = date.fromisoformat(day)
    found = counted(stored_manifest(name, content, feed, ingestion_date) for name, content in once.items())
    for manifest in found:
        if isinstance(manifest, Unreadable):
            raise BadManifest(manifest.wrong)
    return found


def feed(name: str) -> Feed:
    """The feed of the pipeline that asks. Raises: ValueError where the setting for RAW is missing."""
    spark = SparkSession.active()
    try:
        raw_root = spark.conf.get(RAW_ROOT)  # serverless compute refuses an absent key, also where a default is given
    except PySparkException:
        message = f"the pipeline has no setting {RAW_ROOT}: give it the URI of RAW in its configuration"
        raise ValueError(message) from None
    return Feed(spark, entity(name), raw_root)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def path(table: Table) -> str:
    """The pipeline's own table: beside the jobs', in the schema of its layer, whose grants are also for it."""
    return f"{table.name}_lakeflow"


def described(table: Table) -> dict[str, Any]:
    """Name, comment, columns and partition of a dataset, as its decorator takes them."""
    columns = (replace(column, required=False) for column in table.columns)  # open source refuses NOT NULL of a query
    return {
        "name": path(table),
        "comment": table.description,
        "schema": ", ".join(map(column_definition, columns)),
        "partition_cols": list(table.partition) or None,
    }
