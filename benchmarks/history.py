"""Build the years before a day at once: RAW from the simulator, then every transform over all dates together.

This needs no merge and no change feed. `tests/laws/test_thirty_days.py` proves that the transforms over all dates give
the same tables as daily runs. That test reads the files of RAW day by day; this module reads them all at once.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract, feeds, gold_tables
from retailflow.contracts.model import ORDER
from retailflow.manifests import counted
from retailflow.raw import RawStore, day_path
from retailflow_spark.bronze.load import decoded, decoded_schema, stored_columns
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.job import run_log
from retailflow_spark.job.run_log import RUNS
from retailflow_spark.publish import release
from retailflow_spark.silver.balance import Balance
from retailflow_spark.silver.validate import invalid, latest_per_key, valid, validate


class Folder(RawStore):
    """RAW in a folder, for years of data: Azurite slows down with each blob, to 30 requests a second at 45,000."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, path: str, payload: bytes) -> bool:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            with (self.root / path).open("xb") as file:
                file.write(payload)
        except FileExistsError:
            return False
        return True

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def names(self, prefix: str) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in (self.root / prefix).iterdir())


def build(tables: Tables, raw: RawStore, raw_root: str, dates: list[date]) -> None:
    """Build all tables as they are after these dates. RAW must have their feeds, and the catalog must be empty."""
    tables.spark.conf.set("spark.sql.shuffle.partitions", "1")  # one file per date, as maintenance leaves them
    run_log.create(tables)
    for contract in feeds():
        create(tables, [contract.bronze, contract.quarantine, *contract.silver_tables])
        _append(tables, contract.bronze, _received(tables, raw, raw_root, contract, dates))
        validated = validate(tables.read(contract.bronze.name), contract)
        _append(tables, contract.quarantine, invalid(validated, contract))
        for table in contract.silver_tables:
            latest = latest_per_key(valid(validated, contract), table.key, (contract.version_column, *ORDER))
            _append(tables, table, latest)
        _log(tables, contract)
    for contract in gold_tables():
        refresh(tables, contract)
    release.publish(tables)


def _received(tables: Tables, raw: RawStore, raw_root: str, contract: FeedContract, dates: Iterable[date]):
    named = {
        f"{day_path(contract.name, day)}/{file.name}": (day_path(contract.name, day), manifest, file)
        for day in dates
        for manifest in counted(raw.manifests(contract.name, day))
        for file in manifest.files
    }
    records_of = partial(decoded, form=contract.format, feed=contract.name, columns=contract.feed_columns)

    def records(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                folder, manifest, file = named[row["name"]]
                yield from records_of(row["content"], folder, manifest, file)

    files = (
        tables.spark.read.format("binaryFile")
        .option("pathGlobFilter", "batch_*")
        .option("recursiveFileLookup", "true")
        .load(f"{raw_root}/{contract.name}")
        .select(
            F.regexp_extract("_metadata.file_path", f"({contract.name}/ingestion_date=.*)", 1).alias("name"), "content"
        )
    )
    of_path = F.to_date(F.regexp_extract("_source_file", "ingestion_date=([^/]+)/", 1))
    return files.mapInArrow(records, decoded_schema(contract)).select(*stored_columns(contract, of_path))


def _append(tables: Tables, table, frame) -> None:
    """Append a frame with one file per partition, as maintenance leaves a table."""
    tables.append(frame.repartition(*table.partition) if table.partition else frame.coalesce(1), table)


def _log(tables: Tables, contract: FeedContract) -> None:
    """Append the rows of the run log that the runs of these dates would have left."""
    counts = tables.read(contract.bronze.name).groupBy("ingestion_date").count().collect()
    version = tables.version(contract.silver.name)
    rows = []
    for day, count in ((one.ingestion_date, one["count"]) for one in counts):
        ended = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        run = dict.fromkeys(RUNS.column_names) | {"name": contract.name, "ingestion_date": day, "is_success": True}
        run |= {"code_version": "history", "started_at": ended, "ended_at": ended, "rows_read": count}
        balance = Balance(record=count, current=count, superseded=0, duplicate=0, quarantined=0)
        known = {"silver_version": version, "is_closed": True, "balances": [balance.row(day, is_closed=True)]}
        rows.append(run | {"layer": "bronze", "databricks_run_id": f"bronze-{contract.name}-{day}"})
        rows.append(run | {"layer": "silver", "databricks_run_id": f"silver-{contract.name}-{day}"} | known)
    tables.append_rows(rows, RUNS)
