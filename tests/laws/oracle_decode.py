"""Decode the records in the bytes of a file, in order.

The values of a record are a dict with the received value of each name: text, None, True or False, or a list or dict of
these. A number is its literal text. An unreadable record has None instead of values.
"""

import gzip
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from .oracle_parquet import parquet_records
from .oracle_raw import without_marks

Values = dict[str, Any]


class Received(NamedTuple):
    """A record as received. `said` is equal for two records with the same content, field by field.

    In fields that the feed names, null means absent. In other fields, null is a value of its own.
    """

    values: Values | None
    said: str = ""


Found = tuple[Values | None, Mapping[str, str]]  # the second: the text of each field, if the format has it


def records(form: str, feed: str, content: bytes, fields: Collection[str]) -> list[Received]:
    """Return the records of a file.

    Args:
        feed: the name of the array of records in a page or a document.
        fields: the names of the feed's fields.
    """
    return [Received(values, _said(values, written, fields)) for values, written in _READERS[form](feed, content)]


def _said(values: Values | None, written: Mapping[str, str], fields: Collection[str]) -> str:
    """Return the texts of all fields. Objects, arrays and fields that the feed does not name keep their exact text."""
    given = {name: value for name, value in (values or {}).items() if name not in fields or not _is_absent(name, value)}
    texts = {
        name: value if isinstance(value, str) and name in fields else written.get(name, value)
        for name, value in given.items()
    }
    return json.dumps(texts, sort_keys=True)


def _is_absent(name: str, value: Any) -> bool:
    """Blank text instead of an object or array counts as absent."""
    return value is None or (name in _NESTED and isinstance(value, str) and not value.strip())


_NESTED = ("address", "shipping", "lines", "coupon_codes", "device", "utm")
_UNREADABLE: Found = (None, {})


def _pages(feed: str, content: bytes) -> Iterator[Found]:
    for page in _elements(without_marks(content).decode()):
        yield from _document(feed, page.encode())


def _document(feed: str, content: bytes) -> Iterator[Found]:
    """Decode record by record, so that a repeated name or NaN spoils only its own record."""
    for member in _elements(without_marks(content).decode()):
        name, value = _named(member)
        if name == feed:
            yield from map(_object, _elements(value))


def _lines(feed: str, content: bytes) -> Iterator[Found]:
    """Split lines only at line feeds: JSON text may contain every other line break of Unicode."""
    for line in map(without_marks, content.split(b"\n")):
        if line.strip():
            yield _utf8(line)


def _zipped_lines(feed: str, content: bytes) -> Iterator[Found]:
    return _lines(feed, gzip.decompress(content))


def _utf8(line: bytes) -> Found:
    try:
        return _object(line.decode())
    except UnicodeDecodeError:
        return _UNREADABLE


def _object(text: str) -> Found:
    """Parse a JSON object by RFC 8259; one with a repeated name is unreadable."""
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_distinct)
    except ValueError:
        return _UNREADABLE
    return (found, dict(map(_named, _elements(text)))) if isinstance(found, dict) else _UNREADABLE


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> Values:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


_NAME = re.compile(r'("(?:[^"\\]|\\.)*")\s*:(.*)', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def _elements(text: str) -> list[str]:
    """Return the text of each element of a JSON array, or of each member of an object."""
    depth, found, start = 0, [], 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif (token[0] == "," and depth == 1) or (token[0] in "]}" and depth == 1):
            found.append(text[start : token.start()].strip(" \t\r\n\ufeff"))
            start = token.end()
        if token[0] in "]}":
            depth -= 1
    return found if any(found) else []


def _named(member: str) -> tuple[str, str]:
    """Return the name of an object's member, and the text of its value."""
    name, value = _NAME.fullmatch(member).groups()
    return json.loads(name), value.strip(" \t\r\n\ufeff")


# A row of fields, each fully quoted or without quotes, by RFC 4180, up to the end of its line.
_FIELD = r'(?:"(?:[^"]|"")*"|[^",\r\n]*)'
_ROW = re.compile(rf"{_FIELD}(?:,{_FIELD})*(?=\r?\n|\Z)")
_NEXT_FIELD = re.compile(rf"(?:\A|,)({_FIELD})")
_LINE = re.compile(r"[^\n]*")


def _csv(feed: str, content: bytes) -> Iterator[Found]:
    rows = _rows(without_marks(content).decode("utf-8", "surrogateescape"))
    names = [name.strip() for name in next(rows) or ()]
    for row in rows:
        if row is None or len(row) != len(names):
            yield _UNREADABLE
        else:
            yield {name: value or None for name, value in zip(names, row, strict=True)}, {}


def _rows(text: str) -> Iterator[list[str] | None]:
    """Yield the rows that are not empty; None for a row with a misplaced quote or invalid UTF-8."""
    position = 0
    while position < len(text):
        found = _ROW.match(text, position)
        row = found or _LINE.match(text, position)
        position = row.end() + (2 if text.startswith("\r\n", row.end()) else 1)
        if row[0].strip():
            yield _fields(row[0]) if found and not re.search("[\udc80-\udcff]", row[0]) else None


def _fields(row: str) -> list[str]:
    fields = _NEXT_FIELD.findall(row)
    return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]


_READERS: dict[str, Callable[[str, bytes], Iterator[Found]]] = {
    "pages": _pages,
    "document": _document,
    "lines": _lines,
    "zipped lines": _zipped_lines,
    "csv": _csv,
    "parquet": lambda feed, content: ((row, {}) for row in parquet_records(content)),
}
