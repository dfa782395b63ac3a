"""Decode one JSON record from its exact text (RFC 8259) into the columns of BRONZE and the fields of no contract."""

import json
import re
from collections.abc import Iterator

import msgspec
from msgspec import Raw

from retailflow.contracts import Column
from retailflow_spark.bronze.encoding import NOT_UTF8, is_utf8
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
items_of = msgspec.json.Decoder(list[Raw]).decode
string_of = msgspec.json.Decoder(str).decode
_quoted = msgspec.json.encode
STRING = rb'"(?:[^"\\]++|\\.)*+"'
# Spark reads a nested number as a double. That changes the value of numbers with more digits than a double has or with
# an exponent. It changes the text of some others.
_LONG_NUMBER = re.compile(rb"[0-9.]{16}|[0-9][eE][+\-]?[0-9]")
_BRACKETS = re.compile(STRING + rb"|[{}\[\]]", re.DOTALL)


class Invalid(ValueError):
    """A record that cannot be read. The message is the reason for its quarantine."""


def is_no_value(path: str) -> str:
    """Return the reason for a record with an object or array where the contract has a single value."""
    return f"{path} is a JSON object or array, not a value"


def is_no(kind: str, path: str) -> str:
    """Return the reason for a record with another value where the contract has an `object` or an `array`."""
    return f"{path} is not a JSON {kind}"


def decode_json(records: list[bytes], columns: tuple[Column, ...]) -> Iterator:
    """Return the rows of these records, as Arrow batches.

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
    """Return whether BRONZE splits a record into columns; else it stores the whole text."""
    try:
        _Decoder(columns).read(record)
    except Invalid:
        return False
    return True


class _Decoder:
    """Splits the records of one file into the text of each column and the fields that the contract does not name."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.level = Level.of(columns)
        self._record = -1
        self._has_number_as_text = False

    def read(self, raw: bytes) -> tuple[list[str | None], str | None]:
        """Return the text of each column, and the unknown fields as JSON. Raises: Invalid."""
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
                    values.append(string_of(text))
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
        """Return the text of an object or array as received, but with numbers as strings if Spark would change them."""
        if _is_absent(text):
            return None
        self._has_number_as_text = False
        self._look_into(text, column, self.level.inner.get(column.name), column.name, rescued)
        is_changed = self._has_number_as_text or _LONG_NUMBER.search(text)
        return (_with_exact_numbers(text) if is_changed else text).decode()

    def _look_into(
        self, text: bytes, column: Column, level: Level | None, path: str, rescued: list[tuple[str, bytes]]
    ) -> None:
        """Record the fields inside a value. Unknown fields are added to `rescued`. Raises: Invalid."""
        if column.is_array:
            if text[0] != _ARRAY:
                raise Invalid(is_no("array", path))
            for item in map(bytes, items_of(text)):
                if not level:
                    if item[0] in (_OBJECT, _ARRAY):
                        raise Invalid(is_no_value(f"{path}[]"))
                    self._has_number_as_text |= _is_changed_as_text(item)
                elif item != _NULL:
                    self._see(item, level, f"{path}[]", rescued)
        elif level:
            self._see(text, level, path, rescued)

    def _see(self, text: bytes, level: Level, path: str, rescued: list[tuple[str, bytes]]) -> None:
        if text[0] != _OBJECT:
            raise Invalid(is_no("object", path))
        fields = named_fields(text)
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
            elif column.type == "STRING":
                self._has_number_as_text |= _is_changed_as_text(value)


def _is_changed_as_text(value: bytes) -> bool:
    """Return whether Spark would change the digits of a number that it reads as text, as of 1.50 and -0."""
    return value[0] in b"-0123456789" and not value.isdigit()


def _is_absent(text: bytes) -> bool:
    """Return whether a value is null or blank text."""
    return text == _NULL or (text[0] == _QUOTE and not string_of(text).strip())


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


def named_fields(text: bytes) -> dict[str, bytes]:
    """Return the fields of an object inside a record. Raises: Invalid where it has a name twice."""
    fields = {name: bytes(value) for name, value in _fields_of(text).items()}
    # Each name has two quotes. A repeated name has two quotes that belong to no field.
    if 2 * len(fields) + sum(value.count(b'"') for value in fields.values()) != text.count(b'"'):
        _check_names_one_by_one(text)
    return fields


def _check_names(text: bytes) -> None:
    """Check the names inside a value. Raises: Invalid where an object at any depth has a name twice."""
    if text[0] == _OBJECT:
        for value in named_fields(text).values():
            _check_names(value)
    elif text[0] == _ARRAY and b"{" in text:
        for value in items_of(text):
            _check_names(bytes(value))


def _check_names_one_by_one(text: bytes) -> None:
    """Check the same in a slower way that parses names, so quotes inside names are no problem. Raises: Invalid."""

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
    """Return a JSON object by path. A path that occurs several times, as in an array, gets an array of its values."""
    values: dict[str, list[bytes]] = {}
    for path, value in fields:
        values.setdefault(path, []).append(value)
    members = (
        _quoted(path) + b":" + (found[0] if len(found) == 1 else b"[" + b",".join(found) + b"]")
        for path, found in sorted(values.items())
    )
    return (b"{" + b",".join(members) + b"}").decode()


def _with_exact_numbers(text: bytes) -> bytes:
    """Return the same value, in which numbers that Spark would change are strings of the same digits."""
    if text[0] == _OBJECT:
        members = (_quoted(name) + b":" + _with_exact_numbers(bytes(value)) for name, value in _fields_of(text).items())
        return b"{" + b",".join(members) + b"}"
    if text[0] == _ARRAY:
        return b"[" + b",".join(_with_exact_numbers(bytes(item)) for item in items_of(text)) + b"]"
    return b'"' + text + b'"' if _is_changed_as_text(text) or (text.isdigit() and len(text) > 15) else text
