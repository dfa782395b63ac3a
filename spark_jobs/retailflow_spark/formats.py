"""How the bytes of a RAW file become records: one decoder a format, in plain Python and Arrow, run by Spark's workers.

A decoder takes a file's bytes and yields Arrow batches whose rows are the file's records in order. JSON formats yield
the record's exact text as `_record`; CSV and Parquet yield the feed's columns as strings. A file that cannot be read
raises BadFile and fails its batch; a record that cannot be read is kept as `_corrupt_record`.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

RECORDS_PER_BATCH = 20_000
JSON_FORMATS = frozenset({"json_pages", "json_document", "ndjson", "ndjson_gzip"})
_SPACE = " \t\r\n"
_decode_value = json.JSONDecoder().raw_decode


class BadFile(ValueError):
    """A file breaks its contract as a whole: nothing of its batch may be published."""


def decode(
    payload: bytes, form: str, entity: str, columns: tuple[str, ...], required: frozenset[str] = frozenset()
) -> Iterator[pa.RecordBatch]:
    """The records of one file.

    Args:
        form: the contract's format. columns: the feed's columns in order, used by CSV and Parquet.
        required: those a CSV or Parquet file must have; the others may be absent and are then null.
    """
    if form in JSON_FORMATS:
        yield from _text_batches(_JSON[form](payload, entity))
    elif form == "csv":
        yield from _csv(payload, columns, required)
    elif form == "parquet":
        yield from _parquet(payload, columns, required)
    else:
        raise BadFile(f"the format {form!r} has no decoder; known are csv, parquet, {', '.join(sorted(JSON_FORMATS))}")


def _text_batches(records: list[str]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(records), RECORDS_PER_BATCH):
        yield pa.record_batch({"_record": pa.array(records[start : start + RECORDS_PER_BATCH], pa.string())})


def _ndjson(payload: bytes, entity: str) -> list[str]:
    lines = payload.removesuffix(b"\n").split(b"\n") if payload else []
    try:
        return payload.decode("utf-8").removesuffix("\n").split("\n") if payload else []
    except UnicodeDecodeError:  # only the lines that are bad are judged bad
        return [line.decode("utf-8", "backslashreplace") for line in lines]


def _ndjson_gzip(payload: bytes, entity: str) -> list[str]:
    try:
        return _ndjson(gzip.decompress(payload), entity)
    except (EOFError, OSError, zlib.error) as error:
        raise BadFile(f"is not a whole gzip file ({error}); have the source deliver it again as a new batch") from None


def _json_document(payload: bytes, entity: str) -> list[str]:
    text = _text(payload)
    records, end = _elements_of(text, _skip(text, 0), entity)
    _at_end(text, end)
    return records


def _json_pages(payload: bytes, entity: str) -> list[str]:
    text = _text(payload)
    position = _expect(text, _skip(text, 0), "[")
    records: list[str] = []
    while text[position : position + 1] != "]":
        page, position = _elements_of(text, position, entity)
        records += page
        position = _next(text, position, "]")
    _at_end(text, position + 1)
    return records


_JSON: dict[str, Callable[[bytes, str], list[str]]] = {
    "json_pages": _json_pages,
    "json_document": _json_document,
    "ndjson": _ndjson,
    "ndjson_gzip": _ndjson_gzip,
}


def _elements_of(text: str, position: int, member: str) -> tuple[list[str], int]:
    """The exact texts of the elements of `member`, an array of the object at `position`, and where the object ends."""
    found: list[str] | None = None
    position = _expect(text, position, "{")
    while text[position : position + 1] != "}":
        name, position = _value(text, position)
        position = _expect(text, _skip(text, position), ":")
        if name == member:
            found = []
            position = _expect(text, position, "[")
            while text[position : position + 1] != "]":
                start = position
                _, position = _value(text, start)
                found.append(text[start:position])
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
    except json.JSONDecodeError as error:
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


def _csv(payload: bytes, columns: tuple[str, ...], required: frozenset[str]) -> Iterator[pa.RecordBatch]:
    rows = csv.reader(io.StringIO(payload.decode("utf-8", "backslashreplace"), newline=""))
    header = next(rows, None)
    if header is None:
        raise BadFile("is empty: a CSV file has at least its header")
    _check_columns(header, required)
    places = [header.index(name) if name in header else None for name in columns]
    extra = [(name, place) for place, name in enumerate(header) if name not in columns]
    batch: list[list[str | None]] = []
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            values = [None] * len(columns) + [None, _csv_line(row)]
        else:
            rescued = json.dumps({name: row[place] for name, place in extra}) if extra else None
            values = [None if place is None else row[place] or None for place in places] + [rescued, None]
        batch.append(values)
        if len(batch) == RECORDS_PER_BATCH:
            yield _strings(batch, columns)
            batch = []
    if batch:
        yield _strings(batch, columns)


def _csv_line(row: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()


def _strings(rows: list[list[str | None]], columns: tuple[str, ...]) -> pa.RecordBatch:
    names = (*columns, "_rescued_data", "_corrupt_record")
    return pa.record_batch([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], names=names)


def _parquet(payload: bytes, columns: tuple[str, ...], required: frozenset[str]) -> Iterator[pa.RecordBatch]:
    try:
        source = pq.ParquetFile(io.BytesIO(payload))
    except pa.ArrowInvalid as error:
        raise BadFile(f"is not a Parquet file: {error}") from None
    _check_columns(source.schema_arrow.names, required)
    extra = [name for name in source.schema_arrow.names if name not in columns]
    for batch in source.iter_batches(RECORDS_PER_BATCH):
        strings = [_as_string(batch, name) for name in columns]
        rescued = [json.dumps(row, default=str) for row in batch.select(extra).to_pylist()] if extra else None
        none = pa.nulls(batch.num_rows, pa.string())
        rest = [pa.array(rescued, pa.string()) if rescued else none, none]
        yield pa.record_batch([*strings, *rest], names=[*columns, "_rescued_data", "_corrupt_record"])


def _as_string(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    values = batch.column(name)
    if pa.types.is_timestamp(values.type):  # RFC 3339, as the other feeds write it
        return pc.strftime(values.cast(pa.timestamp("us", "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    return values.cast(pa.string())


def _check_columns(found: list[str], required: frozenset[str]) -> None:
    missing = sorted(required.difference(found))
    if missing:
        raise BadFile(f"lacks the column {', '.join(missing)}; it has {', '.join(found)}")
