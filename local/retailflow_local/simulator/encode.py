"""Records to bytes, as each feed's contract says. The same records give the same bytes."""

import base64
import gzip
import io
import json
from collections.abc import Iterable
from csv import writer

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from retailflow_local.simulator.trouble import NEW_COLUMN, Cut

COLUMNS = {
    "stores": (
        "store_id", "store_type", "name", "country", "region", "city", "postal_code", "timezone", "opened_on",
        "closed_on", "updated_at",
    ),
    "store_sales": (
        "receipt_id", "line_number", "revision", "store_id", "register_id", "sold_at_local", "product_id", "quantity",
        "unit_price", "discount_amount", "tax_amount", "currency", "tender_type", "customer_id",
    ),
}  # fmt: skip
INVENTORY = pa.schema(
    [
        ("store_id", pa.string()),
        ("product_id", pa.string()),
        ("snapshot_date", pa.date32()),
        ("quantity_on_hand", pa.int64()),
        ("quantity_reserved", pa.int64()),
        ("quantity_on_order", pa.int64()),
        ("reorder_point", pa.int64()),
        ("unit_cost", pa.decimal128(18, 4)),
        ("recorded_at", pa.timestamp("us", tz="UTC")),
    ]
)
PAGE_LIMIT = 500

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_bytes(value: object) -> bytes:
    return _dumps(value).encode()


def ndjson(records: Iterable[dict]) -> bytes:
    """One line a record; a cut one ends in its middle."""
    return "".join(_line(record) + "\n" for record in records).encode()


def _line(record: dict) -> str:
    line = _dumps(record)
    return line[: len(line) // 2] if isinstance(record, Cut) else line


def zipped(payload: bytes) -> bytes:
    return gzip.compress(payload, compresslevel=5, mtime=0)


def csv(entity: str, records: list[dict], *, new_column: bool) -> bytes:
    """Header and lines; null is an empty field, and a cut line lacks its last two fields."""
    columns = COLUMNS[entity] + ((NEW_COLUMN[0],) if new_column else ())
    text = io.StringIO()
    write = writer(text, lineterminator="\n").writerow
    write(columns)
    for record in records:
        fields = [record[name] for name in columns]
        write(fields[:-2] if isinstance(record, Cut) else fields)
    return text.getvalue().encode()


def inventory(records: list[dict], *, new_column: bool) -> bytes:
    schema = INVENTORY.append(pa.field(NEW_COLUMN[0], pa.string())) if new_column else INVENTORY
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), sink)
    return sink.getvalue()


def page(entity: str, records: list[dict], offset: int = 0, limit: int = PAGE_LIMIT) -> bytes:
    """The API page that begins at `offset`."""
    end = offset + limit
    next_cursor = cursor(entity, end) if end < len(records) else None
    return json_bytes({entity: records[offset:end], "next_cursor": next_cursor})


def cursor(entity: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{offset}:{_checksum(entity, offset)}".encode()).decode().rstrip("=")


def offset_of(entity: str, text: str) -> int:
    """The offset in a cursor.

    Raises:
        ValueError: the text is no cursor of this feed.
    """
    try:
        offset = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")[0])
    except ValueError:
        offset = -1
    if offset < 0 or cursor(entity, offset) != text:
        raise ValueError(f"the cursor is not one this API gave for {entity}; begin again without a cursor")
    return offset


def _checksum(entity: str, offset: int) -> str:
    return xxhash.xxh3_64_hexdigest(f"{entity}:{offset}".encode())
