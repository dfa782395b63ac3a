"""Write snapshots as the warehouse system does: Parquet with the types of the feed, other types, or text."""

import io
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Types = dict[str, pa.DataType]

_IDS, _QUANTITIES = ("store_id", "product_id"), ("quantity_on_hand", "quantity_reserved", "quantity_on_order")
_COUNTS = (*_QUANTITIES, "reorder_point")
_TYPED: Types = {
    **dict.fromkeys(_COUNTS, pa.int64()), "snapshot_date": pa.date32(), "unit_cost": pa.decimal128(18, 4),
    "recorded_at": pa.timestamp("us", "UTC"),
}  # fmt: skip
_WIDE: Types = {
    **dict.fromkeys(_IDS, pa.dictionary(pa.int32(), pa.string())), **dict.fromkeys(_COUNTS, pa.decimal128(20, 2)),
    "snapshot_date": pa.date64(), "unit_cost": pa.decimal128(38, 10),
    "recorded_at": pa.timestamp("ns", "Europe/Berlin"),
}  # fmt: skip
_NARROW: Types = {
    **dict.fromkeys(_IDS, pa.large_string()), **dict.fromkeys(_COUNTS, pa.int32()),
    "snapshot_date": pa.date32(), "unit_cost": pa.float64(), "recorded_at": pa.timestamp("ms", "UTC"),
}  # fmt: skip
_TEXT: Types = {}  # columns that are not named are text
_FLAVOURS = (_TYPED, _WIDE, _NARROW, _TEXT)
# Values of a column that no contract names.
_STRANGE = (
    pa.scalar({"a": [1, None], "b": float("nan")}), pa.scalar(b"\xff\x00"), pa.scalar(float("inf")),
    pa.scalar(400_000_000_000, pa.timestamp("s", "UTC")), pa.scalar("green"), pa.scalar([Decimal("1.50")]),
    pa.scalar(5_000_000, pa.date32()), pa.scalar(1, pa.duration("us")), pa.scalar(2, pa.time32("s")),
)  # fmt: skip


def parquet_files(sent: Sequence[dict[str, Any]], chance: random.Random) -> list[tuple[bytes, int]]:
    """Return files, each with its number of records. A file has the records that one set of types can store.

    Costs that are floats are stored as floats, because no other type can store them.
    """
    flavours = chance.sample(range(len(_FLAVOURS)), len(_FLAVOURS))
    parts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in sent:
        parts[next(number for number in flavours if _fits(record, _FLAVOURS[number]))].append(record)
    return [(_file(part, _FLAVOURS[number], chance), len(part)) for number, part in parts.items()]


def _fits(record: dict[str, Any], types: Types) -> bool:
    if types is not _TEXT and isinstance(record.get("unit_cost"), float) != (types is _NARROW):
        return False
    try:
        for name, kind in types.items():
            pa.scalar(_value(record.get(name), kind), kind)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
        return False
    return True


def _file(records: list[dict[str, Any]], types: Types, chance: random.Random) -> bytes:
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    chance.shuffle(names)
    columns = {}
    for name in names:
        if name not in (*_IDS, *_TYPED):
            columns[name] = pa.repeat(chance.choice(_STRANGE), len(records))
        elif name in types:
            columns[name] = pa.array([_value(record.get(name), types[name]) for record in records], types[name])
        else:
            columns[name] = _texts([record.get(name) for record in records])
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def _texts(values: list[Any]) -> pa.Array:
    """Return an array of texts, which may be invalid UTF-8."""
    texts = [None if value is None else _text(value).encode("utf-8", "surrogatepass") for value in values]
    return pa.array(texts, pa.binary()).view(pa.string())


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value)


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return the value of a typed column for a value that is text in other formats. Raises: ValueError, TypeError."""
    if value is None or isinstance(value, float):
        return value
    return next(read for is_such, read in _READ if is_such(kind))(value)


def _from(pattern: str, parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
            raise ValueError(value)
        return parse(str(value))

    return read


_READ: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_integer, _from("-?[0-9]{1,18}", int)),
    (pa.types.is_decimal, _from(r"-?[0-9]{1,18}(\.[0-9]{1,4})?", Decimal)),
    (pa.types.is_date, _from("[0-9]{4}-[0-9]{2}-[0-9]{2}", date.fromisoformat)),
    (pa.types.is_timestamp, _from("[0-9]{4}-.*Z", datetime.fromisoformat)),
    (lambda kind: True, _from("[^\ud800-\udfff]*", str)),
)
