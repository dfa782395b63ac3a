"""Parquet feeds: each column becomes text, so that its values are validated as in the other formats."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import NOT_UTF8, BadFile
from retailflow_spark.bronze.rows import CHARACTERS_PER_BATCH, ROWS_PER_BATCH, Level, Rows

# The types that a required column may have besides text. Others, as a double for money, could change values silently.
_MAY_BE: dict[str, Callable[[pa.DataType], bool]] = {
    "STRING": lambda found: False,
    "INT": pa.types.is_integer,
    "BIGINT": pa.types.is_integer,
    "DATE": pa.types.is_date,
    "BOOLEAN": pa.types.is_boolean,
    "DECIMAL(18,4)": lambda found: pa.types.is_decimal(found) or pa.types.is_integer(found),
    "TIMESTAMP": lambda found: pa.types.is_timestamp(found) and found.tz is not None,
    "TIMESTAMP_NTZ": lambda found: pa.types.is_timestamp(found) and found.tz is None,
}


def decode_parquet(payload: bytes, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """Return the rows of the file, as Arrow batches.

    Raises: BadFile where it is not Parquet, has a required column of a wrong type, or lacks one in all of many rows.
    """
    try:
        source = pq.ParquetFile(io.BytesIO(payload))
        return _rows(source, columns)
    except (pa.ArrowException, OSError) as error:
        raise BadFile(f"is not a Parquet file that can be read ({type(error).__name__})") from None


def _rows(source: pq.ParquetFile, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    schema = source.schema_arrow
    _check(schema, columns)
    known = {column.name for column in columns}
    extra = sorted(name for name in schema.names if name not in known)
    rows, level = Rows(columns), Level.of(columns)
    level.unseen -= set(schema.names)
    level.records = source.metadata.num_rows
    groups = (source.metadata.row_group(number) for number in range(source.num_row_groups))
    bytes_per_row = sum(group.total_byte_size for group in groups) // max(source.metadata.num_rows, 1) + 1
    for batch in source.iter_batches(min(ROWS_PER_BATCH, max(CHARACTERS_PER_BATCH // bytes_per_row, 1))):
        none = pa.nulls(batch.num_rows, pa.string())
        texts = [_text(batch.column(c.name)) if c.name in schema.names else none for c in columns]
        rescued = _rescued(batch.select(extra)) if extra else none
        if any(text is None for text in texts):
            _add_one_by_one(rows, batch, columns, rescued)
        else:
            rows.add_batch([*texts, rescued, none, none])
    return rows.finish(level.missing())


def _check(schema: pa.Schema, columns: tuple[Column, ...]) -> None:
    if len(set(schema.names)) < len(schema.names):
        twice = [number for number, name in enumerate(schema.names, start=1) if schema.names.count(name) > 1]
        raise BadFile(f"has the same column twice, at {' and '.join(map(str, twice))}")
    for column in columns:
        if column.required and column.name in schema.names:
            found = _plain_type(schema.field(column.name).type)
            if not _is_text(found) and not _MAY_BE[column.type](found):
                kind = "a nested value" if pa.types.is_nested(found) else found
                raise BadFile(
                    f"has {column.name} as {kind}; the contract requires it as {column.type}. "
                    "If the source keeps this, change the contract"
                )


def _plain_type(found: pa.DataType) -> pa.DataType:
    return found.value_type if pa.types.is_dictionary(found) else found


def _is_text(found: pa.DataType) -> bool:
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)


def _text(values: pa.Array) -> pa.Array | None:
    """Return values as text: RFC 3339 for moments, JSON for nested values. None if some text is not UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if _is_text(kind):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            return None
        return values.cast(pa.string())
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return pc.strftime(values, format="%Y-%m-%dT%H:%M:%S")
        return pc.strftime(values.cast(pa.timestamp(kind.unit, "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if value is None else _json(value) for value in _values(values)], pa.string())
    return values.cast(pa.string())


def _add_one_by_one(rows: Rows, batch: pa.RecordBatch, columns: tuple[Column, ...], rescued: pa.Array) -> None:
    """Add a batch in which some text is not UTF-8. Only records with invalid text are unreadable."""
    names = [column.name for column in columns if column.name in batch.schema.names]
    for number in range(batch.num_rows):
        row = batch.slice(number, 1)
        texts = {name: _text(row.column(name)) for name in names}
        if any(text is None for text in texts.values()):
            shown = {name: _readable(row.column(name), text) for name, text in texts.items()}
            rows.add_corrupt(_json(shown), NOT_UTF8)
        else:
            values = [texts[column.name][0].as_py() if column.name in texts else None for column in columns]
            rows.add(values, rescued[number].as_py())


def _readable(values: pa.Array, text: pa.Array | None) -> str | None:
    """Return the text of a single value; if it is not UTF-8, its bytes with backslashes."""
    if text is not None:
        return text[0].as_py()
    return values.cast(pa.large_binary())[0].as_py().decode("utf-8", "backslashreplace")


def _rescued(batch: pa.RecordBatch) -> pa.Array:
    """Return the columns that the contract does not name, as one JSON object per row."""
    columns = [_values(batch.column(number)) for number in range(batch.num_columns)]
    rows = (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))
    return pa.array([_json(row) for row in rows], pa.string())


def _values(column: pa.Array) -> list[Any]:
    """Return the values of a column; as Arrow's text if Python cannot represent them, as a year beyond 9999."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        if not pa.types.is_nested(column.type):
            return column.cast(pa.string()).to_pylist()
        return [_value(value) for value in column]


def _value(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return f"a {value.type} that cannot be shown"


def _json(value: Any) -> str:
    return msgspec.json.encode(_plain(value), enc_hook=str).decode()


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent: NaN and infinities become text, bytes hexadecimal."""
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value
