"""CSV feeds (RFC 4180 with a header): each row by itself, found by the names of the header."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import NOT_UTF8, BadFile, check_is_text, is_utf8, without_marks
from retailflow_spark.bronze.rows import Level, Rows

STRAY_QUOTE = "the row has a quote where none may stand"
OTHER_FIELDS = "the row has another number of fields than the header"
REASONS = (STRAY_QUOTE, OTHER_FIELDS, NOT_UTF8)

_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r'"((?:[^"]++|"")*+)"(?=[,\r\n]|\Z)|([^",\r\n]*+)(?=[,\r\n]|\Z)')


@dataclass(frozen=True)
class CsvRow:
    """A row of the file: its fields, None where it has a stray quote; and its text, without the line end."""

    fields: list[str] | None
    text: str
    start: int
    end: int  # after the line end


def csv_text(payload: bytes) -> str:
    """The text of a CSV file; bytes that are no UTF-8 are lone surrogates in it. Raises: BadFile."""
    payload = without_marks(payload)
    check_is_text(payload)
    return payload.decode("utf-8", "surrogateescape")


def csv_rows(text: str) -> Iterator[CsvRow]:
    """The rows that are not empty, the header first."""
    position = 0
    while position < len(text):
        start = position
        fields, stop = _fields(text, start)
        line_end = _LINE_END.match(text, stop)
        position = line_end.end() if line_end else stop
        row = text[start:stop]
        if row.strip():
            yield CsvRow(fields, row, start, position)


def decode_csv(payload: bytes, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """The rows of the file, as Arrow batches.

    Raises: BadFile where it has no header that can be read, or lacks a required column in all of many rows.
    """
    found = csv_rows(csv_text(payload))
    header = _header(next(found, None))
    places = [header.index(column.name) if column.name in header else None for column in columns]
    known = {place for place in places if place is not None}
    extra = [(place, name) for place, name in enumerate(header) if place not in known]
    rows, level, is_clean = Rows(columns), Level.of(columns), is_utf8(payload)
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
    """The names of the columns. One without a name is called by its position, from 1."""
    if row is None:
        raise BadFile("is empty: a CSV file has at least its header")
    if row.fields is None or _has_spoiled(row.text):
        raise BadFile("has a header that cannot be read: a quote where none may stand, or bytes that are not UTF-8")
    names = [name.strip() or f"column {number}" for number, name in enumerate(row.fields, start=1)]
    for number, name in enumerate(names, start=1):
        if name in names[number:]:
            twice = names.index(name, number) + 1
            raise BadFile(f"has the same name in its header twice, in columns {number} and {twice}")
    return names


def _fields(text: str, start: int) -> tuple[list[str] | None, int]:
    """The fields of the row that begins there and where it ends; None for one with a stray quote."""
    stop = _line_end(text, start)
    line = text[start:stop]
    if '"' not in line:
        return line.split(","), stop
    fields, position = [], start
    while found := _FIELD.match(text, position):
        quoted, plain = found.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        position = found.end()
        if position == len(text) or text[position] != ",":
            return fields, position
        position += 1
    return None, _line_end(text, position)


def _line_end(text: str, start: int) -> int:
    found = _LINE_END.search(text, start)
    return found.start() if found else len(text)


def _rescued(extra: list[tuple[int, str]], fields: list[str]) -> str:
    return msgspec.json.encode({name: fields[place] for place, name in extra}, order="sorted").decode()


def _has_spoiled(text: str) -> bool:
    """Whether bytes that are no UTF-8 are in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
