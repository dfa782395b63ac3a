"""How the bytes of a RAW file become records: one decoder a format, in plain Python and Arrow, run by Spark's workers.

A decoder takes a file's bytes and yields Arrow batches whose rows are the file's records in order. JSON formats yield
the record's exact text as `_record`; CSV and Parquet yield the feed's columns as strings. A file that cannot be read
or lacks what the contract requires raises BadFile and fails its batch; a record that cannot be read is kept as
`_corrupt_record`. `_missing_fields` names, comma-separated, the optional fields that the whole file lacks.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from retailflow.contracts import Column

RECORDS_PER_BATCH = 20_000
JSON_FORMATS = frozenset({"json_pages", "json_document", "ndjson", "ndjson_gzip"})
_SPACE = " \t\r\n"
_decode_value = json.JSONDecoder().raw_decode
Record = tuple[str, tuple[str, ...] | None]  # its exact text and the names of its fields; None where it is no object
_IF_MEANT = "If the source is to stay so, change the contract"


class BadFile(ValueError):
    """A file breaks its contract as a whole: nothing of its batch may be published."""


def decode(payload: bytes, form: str, entity: str, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """The records of one file.

    Args:
        form: the contract's format. columns: the feed's columns in order, as the contract has them.
    """
    if form in JSON_FORMATS:
        yield from _json(json_records(payload, form, entity), columns)
    elif form == "csv":
        yield from _csv(payload, columns)
    elif form == "parquet":
        yield from _parquet(payload, columns)
    else:
        raise BadFile(f"the format {form!r} has no decoder; known are csv, parquet, {', '.join(sorted(JSON_FORMATS))}")


def json_records(payload: bytes, form: str, entity: str) -> list[Record]:
    return _JSON[form](payload, entity)


def _json(records: list[Record], columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """A field that no record of several has was renamed or removed; one record alone is just a bad one."""
    shapes = [names for _, names in records if names is not None]
    found = list(dict.fromkeys(name for names in dict.fromkeys(shapes) for name in names))
    missing = _missing(found, columns) if len(shapes) > 1 else None
    for start in range(0, len(records), RECORDS_PER_BATCH):
        part = records[start : start + RECORDS_PER_BATCH]
        rows = [(None, text) if names is None else (text, None) for text, names in part]
        texts, corrupt = (pa.array(values, pa.string()) for values in zip(*rows, strict=True))
        lacking = pa.repeat(pa.scalar(missing, pa.string()), len(part))
        yield pa.record_batch({"_record": texts, "_corrupt_record": corrupt, "_missing_fields": lacking})


def _names_of(value: object) -> tuple[str, ...] | None:
    return _shared(tuple(value)) if isinstance(value, dict) else None


@lru_cache(maxsize=1000)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all records that have the same fields, of which there are many."""
    return names


def _ndjson(payload: bytes, entity: str) -> list[Record]:
    return [_line(line) for line in payload.removesuffix(b"\n").split(b"\n")] if payload else []


def _line(line: bytes) -> Record:
    try:
        text = line.decode("utf-8")
        return text, _names_of(json.loads(text))
    except (ValueError, RecursionError):  # only this line is judged bad
        return line.decode("utf-8", "backslashreplace"), None


def _ndjson_gzip(payload: bytes, entity: str) -> list[Record]:
    try:
        if not payload:
            raise EOFError("it is empty")  # gzip itself takes no bytes for no lines
        return _ndjson(gzip.decompress(payload), entity)
    except (EOFError, OSError, zlib.error) as error:
        raise BadFile(f"is not a whole gzip file ({error})") from None


def _json_document(payload: bytes, entity: str) -> list[Record]:
    text = _text(payload)
    records, end = _elements_of(text, _skip(text, 0), entity)
    _at_end(text, end)
    return records


def _json_pages(payload: bytes, entity: str) -> list[Record]:
    text = _text(payload)
    position = _expect(text, _skip(text, 0), "[")
    records: list[Record] = []
    while text[position : position + 1] != "]":
        page, position = _elements_of(text, position, entity)
        records += page
        position = _next(text, position, "]")
    _at_end(text, position + 1)
    return records


_JSON: dict[str, Callable[[bytes, str], list[Record]]] = {
    "json_pages": _json_pages,
    "json_document": _json_document,
    "ndjson": _ndjson,
    "ndjson_gzip": _ndjson_gzip,
}


def _elements_of(text: str, position: int, member: str) -> tuple[list[Record], int]:
    """The elements of `member`, an array of the object at `position`, and where the object ends."""
    found: list[Record] | None = None
    position = _expect(text, position, "{")
    while text[position : position + 1] != "}":
        name, position = _value(text, position)
        position = _expect(text, _skip(text, position), ":")
        if name == member:
            found = []
            position = _expect(text, position, "[")
            while text[position : position + 1] != "]":
                start = position
                value, position = _value(text, start)
                found.append((text[start:position], _names_of(value)))
                position = _next(text, position, "]")
            position += 1
        else:
            _, position = _value(text, position)
        position = _next(text, position, "}")
    if found is None:
        raise BadFile(f"has no array {member!r}; the source renamed or removed it")
    return found, position + 1


def _value(text: str, position: int) -> tuple[object, int]:
    try:
        return _decode_value(text, position)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets a thousand deep
        raise BadFile(f"is not valid JSON: {error}") from None


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACE and position < len(text):
        position += 1
    return position


def _expect(text: str, position: int, token: str) -> int:
    if text[position : position + 1] != token:
        raise BadFile(f"is not valid JSON: {token!r} expected at character {position}")
    return _skip(text, position + 1)


def _next(text: str, position: int, closing: str) -> int:
    """To the next element, past its comma, or to the closing bracket."""
    position = _skip(text, position)
    if text[position : position + 1] == closing:
        return position
    after = _expect(text, position, ",")
    if text[after : after + 1] == closing:
        raise BadFile(f"is not valid JSON: a comma before {closing!r} at character {position}")
    return after


def _at_end(text: str, position: int) -> None:
    if _skip(text, position) != len(text):
        raise BadFile(f"is not valid JSON: more text after its end, at character {position}")


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(f"is not UTF-8: {error}") from None


def _csv(payload: bytes, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    text = payload.decode("utf-8", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""))
    batch: list[list[str | None]] = []
    try:
        header = next(rows, None)
        if header is None:
            raise BadFile("is empty: a CSV file has at least its header")
        if _is_spoiled(header):
            raise BadFile("has a header that is not UTF-8")
        missing = _missing(header, columns)
        places = [header.index(column.name) if column.name in header else None for column in columns]
        extra = _extra(header, columns)
        may_be_spoiled = _is_spoiled([text])
        for row in rows:
            if not row:
                continue
            if len(row) != len(header) or (may_be_spoiled and _is_spoiled(row)):
                values = [None] * len(columns) + [None, _csv_line(row)]
            else:
                rescued = json.dumps({name: row[header.index(name)] for name in extra}) if extra else None
                values = [None if place is None else row[place] or None for place in places] + [rescued, None]
            batch.append([*values, missing])
            if len(batch) == RECORDS_PER_BATCH:
                yield _strings(batch, columns)
                batch = []
    except csv.Error as error:
        raise BadFile(f"is not valid CSV: {error} at line {rows.line_num}") from None
    if batch:
        yield _strings(batch, columns)


def _is_spoiled(values: list[str]) -> bool:
    """Whether bytes that are no UTF-8 stand in them."""
    try:
        "".join(values).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _csv_line(row: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _strings(rows: list[list[str | None]], columns: tuple[Column, ...]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], names=_names(columns))


def _names(columns: tuple[Column, ...]) -> list[str]:
    return [*(column.name for column in columns), "_rescued_data", "_corrupt_record", "_missing_fields"]


def _parquet(payload: bytes, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    try:
        source = pq.ParquetFile(io.BytesIO(payload))
        schema = source.schema_arrow
        missing = _missing(schema.names, columns)
        _check_types(schema, columns)
        extra = _extra(schema.names, columns)
        for batch in source.iter_batches(RECORDS_PER_BATCH):
            batch.validate(full=True)  # text that is no UTF-8 among others
            none = pa.nulls(batch.num_rows, pa.string())
            strings = [
                _as_string(batch.column(column.name)) if column.name in schema.names else none for column in columns
            ]
            rescued = [json.dumps(row, default=str) for row in batch.select(extra).to_pylist()] if extra else None
            rest = [
                pa.array(rescued, pa.string()) if rescued else none,
                none,
                pa.repeat(pa.scalar(missing, pa.string()), batch.num_rows),
            ]
            yield pa.record_batch([*strings, *rest], names=_names(columns))
    except (pa.ArrowException, OSError) as error:
        raise BadFile(f"is not a Parquet file that can be read: {error}") from None


# What a column may be besides text, which is judged record by record as that of the other formats is.
_IS_TYPE: dict[str, Callable[[pa.DataType], bool]] = {
    "STRING": lambda found: False,
    "INT": pa.types.is_integer,
    "BIGINT": pa.types.is_integer,
    "DATE": pa.types.is_date,
    "BOOLEAN": pa.types.is_boolean,
    "DECIMAL(18,4)": lambda found: pa.types.is_decimal(found) or pa.types.is_integer(found),
    "TIMESTAMP": lambda found: pa.types.is_timestamp(found) and found.tz is not None,
    "TIMESTAMP_NTZ": lambda found: pa.types.is_timestamp(found) and found.tz is None,
}


def _check_types(schema: pa.Schema, columns: tuple[Column, ...]) -> None:
    for column in columns:
        if column.required and column.name in schema.names:
            found = schema.field(column.name).type
            found = found.value_type if pa.types.is_dictionary(found) else found
            is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
            if not is_text and not _IS_TYPE[column.type](found):
                raise BadFile(f"has {column.name} as {found}; the contract requires it as {column.type}. {_IF_MEANT}")


def _as_string(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):  # RFC 3339, as the other feeds write it
        if values.type.tz is None:
            return pc.strftime(values, format="%Y-%m-%dT%H:%M:%S")
        return pc.strftime(values.cast(pa.timestamp(values.type.unit, "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_nested(values.type):
        return pa.array([None if v is None else json.dumps(v, default=str) for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _extra(found: list[str], columns: tuple[Column, ...]) -> list[str]:
    known = {column.name for column in columns}
    return [name for name in found if name not in known]


def _missing(found: list[str], columns: tuple[Column, ...]) -> str | None:
    """The optional fields that a file lacks. Raises: BadFile where it lacks one that is required, or has one twice."""
    if len(set(found)) < len(found):
        raise BadFile(f"has the column {max(found, key=found.count)} more than once")
    absent = [column for column in columns if column.name not in found]
    if required := [column.name for column in absent if column.required]:
        has = ", ".join(found) or "no field"
        raise BadFile(f"lacks {', '.join(required)}, which the contract requires; it has {has}. {_IF_MEANT}")
    return ", ".join(column.name for column in absent) or None
