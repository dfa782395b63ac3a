"""Read the records of a Parquet file, each value as the text that another format would have."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMALS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class _NotUtf8(ValueError):
    """The bytes of a text are not valid UTF-8."""


def parquet_records(content: bytes) -> Iterator[dict[str, Any] | None]:
    """Yield the rows in order; None for a row with text that is not UTF-8."""
    table = pq.read_table(io.BytesIO(content))
    columns = {name: _texts(table.column(name).combine_chunks()) for name in table.column_names}
    for number in range(table.num_rows):
        row = {name: values[number] for name, values in columns.items()}
        yield None if any(value is _NotUtf8 for value in row.values()) else row


def _texts(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return the text of each value, or the name of its type if no feed has values of this type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return [_each(_utf8, value) for value in column.cast(pa.large_binary()).to_pylist()]
    if pa.types.is_date(kind):
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        return [_each(_date, value) for value in days]
    if pa.types.is_timestamp(kind):
        decimals = _DECIMALS[kind.unit]
        return [_each(lambda value: _moment(value, decimals), value) for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_decimal(kind):
        return [_each("{:f}".format, value) for value in column.to_pylist()]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return [_each(str, value) for value in column.to_pylist()]
    return [str(kind)] * len(column)


def _each(text: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else text(value)


def _utf8(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _NotUtf8


def _date(days: int) -> str:
    """Return the date as text. A date outside Python's calendar is not valid in any feed either."""
    try:
        return str(date(1970, 1, 1) + timedelta(days=days))
    except OverflowError:
        return f"day {days}"


def _moment(value: int, decimals: int) -> str:
    seconds, fraction = divmod(value, 10**decimals)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"second {seconds}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction:0{decimals}d}" if decimals else "") + "Z"
