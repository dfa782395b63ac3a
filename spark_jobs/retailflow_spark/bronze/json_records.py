"""JSON feeds: pages of an API, one document, or lines; each record by itself, with its exact text (RFC 8259)."""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Raw

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import (
    BYTE_ORDER_MARK,
    NOT_UTF8,
    BadFile,
    check_is_text,
    gunzip,
    is_utf8,
    whole_text,
    without_marks,
)
from retailflow_spark.bronze.rows import Level, Rows

NOT_JSON = "the record is not valid JSON (RFC 8259)"
NOT_AN_OBJECT = "the record is not a JSON object"
NAME_TWICE = "an object of the record has a name twice"
TOO_DEEP = "the record is nested too deeply"
HALF_A_PAIR = "the record has half of a surrogate pair"
REASONS = (NOT_JSON, NOT_AN_OBJECT, NAME_TWICE, TOO_DEEP, NOT_UTF8, HALF_A_PAIR)

_DEEPEST = 64
_QUOTE, _OBJECT, _ARRAY, _NULL = ord('"'), ord("{"), ord("["), b"null"
_fields_of = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of = msgspec.json.Decoder(list[Raw]).decode
_string_of = msgspec.json.Decoder(str).decode
_quoted = msgspec.json.encode
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# Spark reads a nested number through a double. These it would change: more digits than a double has, an exponent.
_LONG_NUMBER = re.compile(rb"[0-9.]{16}|[0-9][eE][+\-]?[0-9]")
_TOKEN = re.compile(_STRING + rb'|[{}\[\],:]|\xef\xbb\xbf|[^\s"{}\[\],:\xef]++|\xef', re.DOTALL)
_BRACKETS = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)


class Invalid(ValueError):
    """A record that cannot be read; the message is the reason for its quarantine."""


class NoArray(BadFile):
    """The object around the records has no array of their name."""


class PageContent(NamedTuple):
    """One page of an API: the text of each record, and of each field around them."""

    records: list[bytes]
    fields: dict[str, bytes]


def is_no_value(path: str) -> str:
    """The reason for a record that has an object or an array where the contract has a single value."""
    return f"{path} is a JSON object or array, not a value"


def is_no(kind: str, path: str) -> str:
    """The reason for a record that has something else where the contract has an `object` or an `array`."""
    return f"{path} is not a JSON {kind}"


def decode_json(records: list[bytes], columns: tuple[Column, ...]) -> Iterator:
    """The rows of these records, as Arrow batches.

    Raises: BadFile where all of many records lack a required field.
    """
    rows, decoder = Rows(columns), _Decoder(columns)
    for raw in records:
        try:
            rows.add(*decoder.read(raw))
        except Invalid as invalid:
            rows.add_corrupt(raw.decode("utf-8", "backslashreplace"), str(invalid))
    return rows.finish(decoder.level.missing())


def is_readable(record: bytes, columns: tuple[Column, ...]) -> bool:
    """Whether BRONZE takes a record apart; else it keeps its whole text."""
    try:
        _Decoder(columns).read(record)
    except Invalid:
        return False
    return True


def split(payload: bytes, form: str, feed: str, expected: int | None = None) -> list[bytes]:
    """The text of each record of a file.

    Args:
        form: json_pages, json_document, ndjson or ndjson_gzip.
        feed: the name of the array that holds the records of a page or document.
        expected: the number of records by the manifest. Blank lines are records only if it counts them.

    Raises: BadFile where the file as a whole cannot be read.
    """
    return _SPLIT[form](payload, feed, expected)


class _Decoder:
    """Takes the records of one file apart: the text of each column, and what the contract does not name."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.level = Level.of(columns)
        self._record = -1

    def read(self, raw: bytes) -> tuple[list[str | None], str | None]:
        """The text of each column, and the unknown fields as JSON. Raises: Invalid."""
        fields = _object(raw)
        self._record += 1
        self.level.see(fields, self._record)
        values: list[str | None] = []
        rescued: list[tuple[str, bytes]] = []
        quotes = 2 * len(fields)
        for name, column in self.level.columns.items():
            value = fields.pop(name, None)
            text = _NULL if value is None else bytes(value)
            if column.is_nested:
                quotes += text.count(b'"')
                values.append(self._nested(text, column, rescued))
            elif text[0] == _QUOTE:
                if b"\\" in text:
                    values.append(_string_of(text))
                    quotes += text.count(b'"')
                else:
                    values.append(text[1:-1].decode())
                    quotes += 2
            elif text == _NULL:
                values.append(None)
            elif text[0] in (_OBJECT, _ARRAY):
                raise Invalid(is_no_value(name))
            else:
                values.append(text.decode())
        for name, value in fields.items():
            text = bytes(value)
            quotes += text.count(b'"')
            _check_names(text)
            rescued.append((name, text))
        if quotes != raw.count(b'"'):
            _check_names_one_by_one(raw)
        return values, _as_object(rescued) if rescued else None

    def _nested(self, text: bytes, column: Column, rescued: list[tuple[str, bytes]]) -> str | None:
        """The text of an object or array as received, but numbers that Spark would round as strings."""
        if _is_absent(text):
            return None
        self._look_into(text, column, self.level.inner.get(column.name), column.name, rescued)
        return (_with_exact_numbers(text) if _LONG_NUMBER.search(text) else text).decode()

    def _look_into(
        self, text: bytes, column: Column, level: Level | None, path: str, rescued: list[tuple[str, bytes]]
    ) -> None:
        """Note the fields inside a value; those that the contract does not name go to `rescued`. Raises: Invalid."""
        if column.is_array:
            if text[0] != _ARRAY:
                raise Invalid(is_no("array", path))
            for item in map(bytes, _items_of(text)):
                if not level:
                    if item[0] in (_OBJECT, _ARRAY):
                        raise Invalid(is_no_value(f"{path}[]"))
                elif item != _NULL:
                    self._see(item, level, f"{path}[]", rescued)
        elif level:
            self._see(text, level, path, rescued)

    def _see(self, text: bytes, level: Level, path: str, rescued: list[tuple[str, bytes]]) -> None:
        if text[0] != _OBJECT:
            raise Invalid(is_no("object", path))
        fields = _named(text)
        level.see(fields, self._record)
        for name, value in fields.items():
            column = level.columns.get(name)
            if column is None:
                _check_names(value)
                rescued.append((level.path + name, value))
            elif column.is_nested:
                if not _is_absent(value):
                    self._look_into(value, column, level.inner.get(name), level.path + name, rescued)
            elif value[0] in (_OBJECT, _ARRAY):
                raise Invalid(is_no_value(level.path + name))


def _is_absent(text: bytes) -> bool:
    """Whether a value is null or blank text."""
    return text == _NULL or (text[0] == _QUOTE and not _string_of(text).strip())


def _object(raw: bytes) -> dict[str, Raw]:
    try:
        if raw.count(b"{") + raw.count(b"[") > _DEEPEST and _depth(raw) > _DEEPEST:
            raise Invalid(TOO_DEEP)
        if not is_utf8(raw):
            raise Invalid(NOT_UTF8)
        return _fields_of(raw)
    except msgspec.ValidationError:
        raise Invalid(NOT_AN_OBJECT) from None
    except msgspec.DecodeError:
        raise Invalid(HALF_A_PAIR if b"\\ud" in raw.lower() else NOT_JSON) from None


def _named(text: bytes) -> dict[str, bytes]:
    """The fields of an object inside a record. Raises: Invalid where a name comes twice."""
    fields = {name: bytes(value) for name, value in _fields_of(text).items()}
    # Each name has two quotes; one that comes again has two that no field accounts for.
    if 2 * len(fields) + sum(value.count(b'"') for value in fields.values()) != text.count(b'"'):
        _check_names_one_by_one(text)
    return fields


def _check_names(text: bytes) -> None:
    """Raises: Invalid where an object in it, at any depth, has a name twice."""
    if text[0] == _OBJECT:
        for value in _named(text).values():
            _check_names(value)
    elif text[0] == _ARRAY and b"{" in text:
        for value in _items_of(text):
            _check_names(bytes(value))


def _check_names_one_by_one(text: bytes) -> None:
    """The same by a slower way, which takes a quote inside a name for what it is. Raises: Invalid."""

    def check(pairs: list[tuple[str, object]]) -> None:
        if len(dict(pairs)) < len(pairs):
            raise Invalid(NAME_TWICE)

    json.loads(text, object_pairs_hook=check, parse_int=str, parse_float=str)


def _depth(raw: bytes) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(raw):
        if bracket in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in b"}]":
            depth -= 1
    return deepest


def _as_object(fields: list[tuple[str, bytes]]) -> str:
    """A JSON object by path. A path that occurs several times, as in an array, has an array of its values."""
    values: dict[str, list[bytes]] = {}
    for path, value in fields:
        values.setdefault(path, []).append(value)
    members = (
        _quoted(path) + b":" + (found[0] if len(found) == 1 else b"[" + b",".join(found) + b"]")
        for path, found in values.items()
    )
    return (b"{" + b",".join(members) + b"}").decode()


def _with_exact_numbers(text: bytes) -> bytes:
    """The same value, with numbers that a double would change as strings of the same digits."""
    if text[0] == _OBJECT:
        members = (_quoted(name) + b":" + _with_exact_numbers(bytes(value)) for name, value in _fields_of(text).items())
        return b"{" + b",".join(members) + b"}"
    if text[0] == _ARRAY:
        return b"[" + b",".join(_with_exact_numbers(bytes(item)) for item in _items_of(text)) + b"]"
    return b'"' + text + b'"' if text[0] != _QUOTE and _LONG_NUMBER.search(text) else text


def _lines(payload: bytes, feed: str, expected: int | None) -> list[bytes]:
    payload = without_marks(payload)
    check_is_text(payload)
    lines = [without_marks(line) for line in payload.removesuffix(b"\n").split(b"\n")] if payload else []
    if expected is not None and len(lines) != expected:
        full = [line for line in lines if line.strip()]
        return full if len(full) == expected else lines
    return lines


def _document(payload: bytes, feed: str, expected: int | None) -> list[bytes]:
    return _records_of(payload, feed, is_pages=False)


def _pages(payload: bytes, feed: str, expected: int | None) -> list[bytes]:
    return _records_of(payload, feed, is_pages=True)


_SPLIT: dict[str, Callable[[bytes, str, int | None], list[bytes]]] = {
    "json_pages": _pages,
    "json_document": _document,
    "ndjson": _lines,
    "ndjson_gzip": lambda payload, feed, expected: _lines(gunzip(payload), feed, expected),
}
JSON_FORMATS = frozenset(_SPLIT)


def _records_of(payload: bytes, feed: str, *, is_pages: bool) -> list[bytes]:
    payload = without_marks(payload)
    whole_text(payload)
    try:
        pages = [bytes(page) for page in _items_of(payload)] if is_pages else [payload]
        return [bytes(record) for page in pages for record in _items_of(_array_of(page, feed))]
    except (msgspec.DecodeError, RecursionError):  # one bad record must not spoil the others: each by itself
        return list(_Scanner(payload, feed).records(is_pages=is_pages))


def read_page(payload: bytes, feed: str) -> PageContent:
    """One page of an API by itself, by the rules for a file of pages.

    Raises: NoArray; BadFile where a file with this page could not be read.
    """
    payload = without_marks(payload)
    whole_text(payload)
    if payload.lstrip()[:1] != b"{":
        raise BadFile("is not a JSON object" if payload.strip() else "is empty")
    try:
        fields = _fields_around(payload, feed)
        return PageContent([bytes(record) for record in _items_of(fields[feed])], fields)
    except (msgspec.DecodeError, RecursionError):
        scanner = _Scanner(payload, feed)
        return PageContent(list(scanner.records(is_pages=False)), scanner.beside)


def _array_of(page: bytes, feed: str) -> bytes:
    return _fields_around(page, feed)[feed]


def _fields_around(page: bytes, feed: str) -> dict[str, bytes]:
    """The fields of a page or document, the array of its records among them."""
    try:
        fields = _named(page)
    except Invalid:
        raise BadFile("has a name twice in the object around its records") from None
    if fields.get(feed, b"")[:1] != b"[":
        raise _lacks_array(feed)
    return fields


def _lacks_array(feed: str) -> BadFile:
    return NoArray(f"has no array {feed!r}; the source renamed or removed it")


class _Scanner:
    """Finds the records of pages or a document by brackets and commas alone, whatever is wrong inside of a record."""

    def __init__(self, payload: bytes, feed: str) -> None:
        self._payload, self._feed = payload, feed
        self.beside: dict[str, bytes] = {}  # the other fields of the last object
        found = (match for match in _TOKEN.finditer(payload) if match[0] != BYTE_ORDER_MARK)
        self._tokens = ((match[0], match.start(), match.end()) for match in found)
        self._token, self._start, self._end = b"", 0, 0
        self._advance()

    def records(self, *, is_pages: bool) -> Iterator[bytes]:
        if is_pages:
            yield from self._listed(self._page)
        else:
            yield from self._page()
        if self._token:
            raise self._broken()

    def _page(self) -> Iterator[bytes]:
        """The records of the object at hand."""
        found: list[bytes] | None = None
        names = set()
        self._take(b"{")
        while self._token != b"}":
            name = self._string()
            self._take(b":")
            if name in names:
                raise BadFile("has a name twice in the object around its records")
            names.add(name)
            if name == self._feed and self._token == b"[":
                found = list(self._listed(self._element))
            else:
                self.beside[name] = b"".join(self._element())
            self._separate(b"}")
        self._take(b"}")
        if found is None:
            raise _lacks_array(self._feed)
        yield from found

    def _listed(self, element: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        self._take(b"[")
        while self._token != b"]":
            yield from element()
            self._separate(b"]")
        self._take(b"]")

    def _element(self) -> Iterator[bytes]:
        """The text of the value at hand, to the comma or bracket after it."""
        start, end, depth = self._start, self._end, 0
        if self._token in (b",", b"]", b"}", b":", b""):
            raise self._broken()
        while self._token and (depth or self._token not in (b",", b"]", b"}")):
            depth += (self._token in (b"{", b"[")) - (self._token in (b"}", b"]"))
            end = self._end
            self._advance()
        yield self._payload[start:end]

    def _string(self) -> str:
        try:
            name = _string_of(self._token)
        except msgspec.DecodeError:
            raise self._broken() from None
        self._advance()
        return name

    def _separate(self, closing: bytes) -> None:
        """Past a comma that another element follows; the closing bracket stays."""
        if self._token != closing:
            self._take(b",")
            if self._token == closing:
                raise self._broken()

    def _take(self, token: bytes) -> None:
        if self._token != token:
            raise self._broken()
        self._advance()

    def _advance(self) -> None:
        end = self._end
        self._token, self._start, self._end = next(self._tokens, (b"", len(self._payload), len(self._payload)))
        between = self._payload[end : self._start].replace(BYTE_ORDER_MARK, b"")
        if between.strip():  # an open quote, which is no token
            raise self._broken(end)

    def _broken(self, position: int | None = None) -> BadFile:
        return BadFile(f"is not valid JSON near byte {self._start if position is None else position}")
