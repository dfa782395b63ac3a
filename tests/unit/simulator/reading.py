"""Read delivered bytes back without the simulator's own encoders."""

import csv
import gzip
import io
import json

import pyarrow.parquet as pq

from retailflow.raw import Part

KEYS = {
    "orders": ("order_id",),
    "customers": ("customer_id",),
    "products": ("product_id",),
    "stores": ("store_id",),
    "store_sales": ("receipt_id", "line_number", "revision"),
    "inventory": ("store_id", "product_id", "snapshot_date"),
    "payments": ("payment_event_id",),
    "clickstream": ("event_id",),
}


def read_records(feed: str, part: Part) -> list[dict | None]:
    """Return the records of a part, None for one that cannot be read at all. An empty CSV field is null."""
    payload = gzip.decompress(part.payload) if part.suffix.endswith(".gz") else part.payload
    if part.suffix == ".parquet":
        return pq.read_table(io.BytesIO(payload)).to_pylist()
    if part.suffix.endswith(".csv"):
        header, *lines = csv.reader(io.StringIO(payload.decode()))
        return [
            dict(zip(header, (field or None for field in line), strict=True)) if len(line) == len(header) else None
            for line in lines
        ]
    if ".ndjson" in part.suffix:
        return [_json_or_none(line) for line in payload.decode().splitlines()]
    document = json.loads(payload)
    pages = document if isinstance(document, list) else [document]
    return [record for page in pages for record in page[feed]]


def read_all(feed: str, parts: list[Part]) -> list[dict | None]:
    return [record for part in parts for record in read_records(feed, part)]


def key_of(feed: str, record: dict) -> tuple:
    return tuple(record[name] for name in KEYS[feed])


def _json_or_none(line: str) -> dict | None:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
