"""Years behind a day, built at once: RAW from the simulator, then every transform over all dates together.

No merge and no change feed takes part. That the transforms over all dates give the tables which day after day gives is
what `tests/laws/test_thirty_days.py` proves; it reads the files of RAW day by day, and this all at once.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract, entities, gold_tables
from retailflow.contracts.model import ORDER
from retailflow.manifests import counted
from retailflow.raw import RawStore, day_path
from retailflow_spark import release
from retailflow_spark.bronze.load import decoded, decoded_schema, stored_columns
from retailflow_spark.publish import refresh
from retailflow_spark.silver.balance import ROW_BALANCE
from retailflow_spark.silver.validate import invalid, latest_per_key, valid, validate
from retailflow_spark.tables import Tables


class Folder(RawStore):
    """RAW in a folder, for years: Azurite is slower with each blob, and with 45,000 answers 30 requests a second."""

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
    """All tables as they are after those dates, whose feeds RAW has. The catalog is empty before."""
    tables.spark.conf.set("spark.sql.shuffle.partitions", "1")  # one file a date, as upkeep leaves them
    for contract in entities():
        tables.create([contract.bronze, contract.quarantine, *contract.kept, ROW_BALANCE])
        _append(tables, contract.bronze, _received(tables, raw, raw_root, contract, dates))
        validated = validate(tables.read(contract.bronze.name), contract)
        _append(tables, contract.quarantine, invalid(validated, contract))
        for table in contract.kept:
            latest = latest_per_key(valid(validated, contract), table.key, (contract.version_column, *ORDER))
            _append(tables, table, latest)
        _ledger(tables, contract)
    for contract in gold_tables():
        refresh(tables, contract)
    release.publish(tables, "history")


def _received(tables: Tables, raw: RawStore, raw_root: str, contract: EntityContract, dates: Iterable[date]):
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
    """One file a partition, as a table that is kept up has them."""
    tables.append(frame.repartition(*table.partition) if table.partition else frame.coalesce(1), table)


def _ledger(tables: Tables, contract: EntityContract) -> None:
    """The rows that the runs of those dates would have left."""
    counts = tables.read(contract.bronze.name).groupBy("ingestion_date").count().collect()
    version = tables.version(contract.silver.name)
    checked = [
        {"entity": contract.name, "ingestion_date": one.ingestion_date, "record_count": one["count"]}
        | {"current_count": one["count"], "superseded_count": 0, "duplicate_count": 0, "quarantined_count": 0}
        | {"unaccounted_count": 0}
        | {"is_closed": True, "silver_version": version, "databricks_run_id": f"history-{one.ingestion_date}"}
        | {"checked_at": datetime.combine(one.ingestion_date, datetime.min.time(), UTC) + timedelta(days=1)}
        for one in counts
    ]
    tables.append_once(checked, ROW_BALANCE, f"history/{contract.name}")
