"""Decode a file as a Python worker of the local server does: `worker.py FEED FILE MANIFEST` prints its record count."""

import sys
from pathlib import Path

import pyarrow as pa

from retailflow.contracts import feed_contract
from retailflow.manifests import Manifest
from retailflow_local import python_daemon
from retailflow_spark.bronze.load import decoded

python_daemon.limit_memory()
contract = feed_contract(sys.argv[1])
received = pa.array([Path(sys.argv[2]).read_bytes()], pa.binary())  # Spark's input stays in memory while it is decoded
manifest = Manifest.model_validate_json(Path(sys.argv[3]).read_text())
place = ("", manifest, manifest.files[0])
batches = decoded(received[0].as_py(), *place, contract.format, contract.name, contract.feed_columns)
print(sum(batch.num_rows for batch in batches))
