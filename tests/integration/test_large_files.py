"""A Python worker, which has 1 GB of memory, decodes the largest file that BRONZE takes, whatever is in it.

The test runs without the server: our JVM is too small to send a file of this size.
"""

import gzip
import io
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory_store import MemoryStore

from retailflow.contracts import FeedContract, feed_contract
from retailflow.manifests import ulid
from retailflow.raw import Part, deliver
from retailflow_local.spark_server import environment
from retailflow_spark.bronze.encoding import MOST_BYTES, MOST_RECORDS

pytestmark = pytest.mark.full
WORKER = Path(__file__).parents[1] / "support" / "worker.py"
DAY = date(2026, 1, 15)
FRAME = 1_000  # bytes around the records, at most


def largest(contract: FeedContract, record_bytes: int) -> Part:
    """Return the largest file of records of about `record_bytes` bytes. Python needs four bytes for each character."""
    names = [column.name for column in contract.feed_columns if not column.is_nested]
    record = dict.fromkeys(names, "1") | {names[-1]: "\U0001f600"}
    short = len(json.dumps(record, ensure_ascii=False).encode())
    record[names[-1]] += "x" * (record_bytes - short)
    text = {"csv": ",".join(record.values())}.get(contract.format, json.dumps(record, ensure_ascii=False)).encode()
    count = min(MOST_RECORDS, (MOST_BYTES - FRAME) // (len(text) + 1))
    if contract.format == "csv":
        return Part(".csv", ",".join(names).encode() + b"\n" + (text + b"\n") * count, count)
    if contract.format == "json_pages":
        return Part(".json", b'[{"%s":[%s]}]' % (contract.name.encode(), b",".join([text] * count)), count)
    if contract.format == "parquet":
        sink = io.BytesIO()
        columns = {name: pa.array([value] * count) for name, value in record.items()}
        pq.write_table(pa.table(columns), sink, compression="none", use_dictionary=False)
        return Part(".parquet", sink.getvalue(), count)
    lines = (text + b"\n") * count
    return Part(".ndjson", lines, count) if contract.format == "ndjson" else Part(".gz", gzip.compress(lines, 1), count)


@pytest.mark.parametrize("record_bytes", [140, 6_500])
@pytest.mark.parametrize("feed", ["orders", "store_sales", "inventory", "payments", "clickstream"])
def test_the_largest_file_fits_into_a_worker(tmp_path, feed, record_bytes):
    moment, store = datetime(2026, 1, 16, tzinfo=UTC), MemoryStore()
    part = largest(feed_contract(feed), record_bytes)
    manifest = deliver(store, feed, DAY, ulid(moment, feed), moment, [part])
    (tmp_path / "file").write_bytes(part.payload)
    (tmp_path / "manifest").write_text(manifest.model_dump_json())
    command = [sys.executable, str(WORKER), feed, str(tmp_path / "file"), str(tmp_path / "manifest")]
    done = subprocess.run(command, env=environment(dict(os.environ), ""), capture_output=True, text=True, check=False)
    assert done.stdout == f"{part.records}\n", done.stderr[-500:]
