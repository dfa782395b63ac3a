"""Encode records as each feed's contract says. The same records give the same bytes."""

import base64
import gzip
import io
import json
import re
from collections.abc import Iterable
from csv import writer

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from retailflow.contracts import Column
from retailflow.contracts import feed_contract as contract
from retailflow_local.simulator.trouble import NEW_COLUMN, Cut

PAGE_LIMIT = 500

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_bytes(value: object) -> bytes:
    return _dumps(value).encode()


def ndjson(records: Iterable[dict]) -> bytes:
    """Return one line per record. A cut record ends in the middle of its line."""
    return "".join(_line(record) + "\n" for record in records).encode()


def _line(record: dict) -> str:
    line = _dumps(record)
    return line[: len(line) // 2] if isinstance(record, Cut) else line


def zipped(payload: bytes) -> bytes:
    return gzip.compress(payload, compresslevel=5, mtime=0)


def csv(feed: str, records: list[dict], *, new_column: bool) -> bytes:
    """Return header and lines. Null is an empty field, and a cut line lacks its last two fields."""
    columns = (*(column.name for column in contract(feed).feed_columns), *((NEW_COLUMN[0],) if new_column else ()))
    text = io.StringIO()
    write = writer(text, lineterminator="\n").writerow
    write(columns)
    for record in records:
        fields = [str(value).lower() if isinstance(value := record[name], bool) else value for name in columns]
        write(fields[:-2] if isinstance(record, Cut) else fields)
    return text.getvalue().encode()


def schema_of(feed: str) -> pa.Schema:
    """Return the columns of a feed in Parquet, from its contract."""
    return pa.schema([(column.name, _arrow_type(column)) for column in contract(feed).feed_columns])


def _arrow_type(column: Column) -> pa.DataType:
    kind, *sizes = re.findall(r"\w+", column.type)
    if kind == "DECIMAL":
        return pa.decimal128(*map(int, sizes))
    return {
        "BIGINT": pa.int64(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "INT": pa.int32(),
        "STRING": pa.string(),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
    }[kind]


def parquet(feed: str, records: list[dict], *, new_column: bool) -> bytes:
    """Return one file. It cannot have nested columns."""
    schema = schema_of(feed)
    if new_column:
        schema = schema.append(pa.field(NEW_COLUMN[0], pa.string()))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), sink)
    return sink.getvalue()


def page(feed: str, records: list[dict], offset: int = 0, limit: int = PAGE_LIMIT) -> bytes:
    """Return the API page that begins at `offset`."""
    end = offset + limit
    next_cursor = cursor(feed, end) if end < len(records) else None
    return json_bytes({feed: records[offset:end], "next_cursor": next_cursor})


def cursor(feed: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{offset}:{_checksum(feed, offset)}".encode()).decode().rstrip("=")


def offset_of(feed: str, text: str) -> int:
    """Return the offset in a cursor.

    Raises:
        ValueError: the text is not a cursor of this feed.
    """
    try:
        offset = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")[0])
    except ValueError:
        offset = -1
    if offset < 0 or cursor(feed, offset) != text:
        raise ValueError(f"the cursor is not one this API gave for {feed}; begin again without a cursor")
    return offset


def _checksum(feed: str, offset: int) -> str:
    return xxhash.xxh3_64_hexdigest(f"{feed}:{offset}".encode())
