"""CSV feeds (RFC 4180 with a header). Each row is decoded separately; fields are found by the names in the header."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import NOT_UTF8, BadFile, check_is_text, first_wrong_byte, without_marks
from retailflow_spark.bronze.rows import Level, Rows

STRAY_QUOTE = "the row has a quote where none is allowed"
OTHER_FIELDS = "the row has a different number of fields than the header"
REASONS = (STRAY_QUOTE, OTHER_FIELDS, NOT_UTF8)

_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELD = re.compile(rb'"((?:[^"]++|"")*+)"(?=[,\r\n]|\Z)|([^",\r\n]*+)(?=[,\r\n]|\Z)')


@dataclass(frozen=True)
class CsvRow:
    """A row of the file: its fields, or None if it has a stray quote, and its text without the line end.

    Bytes that are not UTF-8 are lone surrogates in both. `start` and `end` are byte positions in the file.
    """

    fields: list[str] | None
    text: str
    start: int
    end: int  # after the line end


def csv_content(payload: bytes) -> bytes:
    """Return the bytes of a CSV file without byte order marks. Raises: BadFile where they are not text."""
    payload = without_marks(payload)
    check_is_text(payload)
    return payload


def csv_rows(content: bytes) -> Iterator[CsvRow]:
    """Yield the rows that are not empty, the header first.

    Each row is decoded separately: the text of a whole file would take up to four times its bytes.
    """
    position = 0
    while position < len(content):
        start, stop = position, _line_end(content, position)
        has_quotes = content.find(b'"', start, stop) >= 0
        fields, stop = _quoted(content, start) if has_quotes else (None, stop)
        line_end = _LINE_END.match(content, stop)
        position = line_end.end() if line_end else stop
        text = _text(content[start:stop])
        if text.strip():
            yield CsvRow(fields if has_quotes else text.split(","), text, start, position)


def decode_csv(payload: bytes, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """Return the rows of the file, as Arrow batches.

    Raises: BadFile where the header cannot be read, or all of many rows lack a required column.
    """
    found = csv_rows(csv_content(payload))
    header = _header(next(found, None))
    places = [header.index(column.name) if column.name in header else None for column in columns]
    known = {place for place in places if place is not None}
    extra = [(place, name) for place, name in enumerate(header) if place not in known]
    rows, level, is_clean = Rows(columns), Level.of(columns), first_wrong_byte(payload) is None
    for number, row in enumerate(found):
        level.see(header, number)
        if row.fields is None:
            rows.add_corrupt(_readable(row.text), STRAY_QUOTE)
        elif not is_clean and _has_spoiled(row.text):
            rows.add_corrupt(_readable(row.text), NOT_UTF8)
        elif len(row.fields) != len(header):
            rows.add_corrupt(_readable(row.text), OTHER_FIELDS)
        else:
            values = [None if place is None else row.fields[place] or None for place in places]
            rows.add(values, _rescued(extra, row.fields) if extra else None)
    return rows.finish(level.missing())


def _header(row: CsvRow | None) -> list[str]:
    """Return the names of the columns. A column without a name is named by its position, from 1."""
    if row is None:
        raise BadFile("is empty: a CSV file has at least its header")
    if row.fields is None or _has_spoiled(row.text):
        raise BadFile("has a header that cannot be read: a quote where none is allowed, or bytes that are not UTF-8")
    names = [name.strip() or f"column {number}" for number, name in enumerate(row.fields, start=1)]
    for number, name in enumerate(names, start=1):
        if name in names[number:]:
            twice = names.index(name, number) + 1
            raise BadFile(f"has the same name in its header twice, in columns {number} and {twice}")
    return names


def _quoted(content: bytes, start: int) -> tuple[list[str] | None, int]:
    """Return the fields of a row with quotes that begins at `start`, or None if it has a stray quote; and its end."""
    fields, position = [], start
    while found := _FIELD.match(content, position):
        quoted, plain = found.groups()
        fields.append(_text(plain if quoted is None else quoted.replace(b'""', b'"')))
        position = found.end()
        if content[position : position + 1] != b",":
            return fields, position
        position += 1
    return None, _line_end(content, position)


def _line_end(content: bytes, start: int) -> int:
    found = _LINE_END.search(content, start)
    return found.start() if found else len(content)


def _text(part: bytes) -> str:
    return part.decode("utf-8", "surrogateescape")


def _rescued(extra: list[tuple[int, str]], fields: list[str]) -> str:
    return msgspec.json.encode({name: fields[place] for place, name in extra}, order="sorted").decode()


def _has_spoiled(text: str) -> bool:
    """Return whether the text contains bytes that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
