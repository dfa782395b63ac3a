"""Decide whether a record names a subject, a customer or browser, by the SHA-256 of its id, in columns and in texts."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from retailflow.contracts import Column

CUSTOMER = "customer_id"
VISITOR = "anonymous_id"  # of the browser; it also links events before the customer signed in
_WORDS = (re.compile(r"[\w-]+"), re.compile(r"[\w.@/+:-]+"), re.compile(r"[^\s,;|]+"))
_CELLS = re.compile(r"[,;\t|\n]")
_JSON_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"[\d.,+-]*")
_AROUND = " \t\r\n\"'.,:;/()[]{}<>"


class Found(StrEnum):
    """How a record was found to name a subject."""

    BY_ID = "id"
    BY_BROWSER = "browser"
    BY_TEXT = "text"  # it has no customer, but an unknown field or unreadable text has their id
    MENTIONED = "mention"  # it is not their record: only the mention is removed


def digest(text: str) -> str:
    """Return the SHA-256 of an id without white space around it, in hexadecimal."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """The parts of a record that may show whose record it is.

    Attributes:
        customer, visitor: the ids of the customer and the browser.
        moment: when the event of the record happened.
        known: the texts in objects and arrays of the contract.
        unknown: the names and texts of fields that the contract does not name.
        unreadable: the whole text of a record that cannot be read.
    """

    customer: str | None
    visitor: str | None
    moment: datetime | None
    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unreadable: str | None = None


@dataclass(frozen=True)
class Subjects:
    """The people to erase: digests of customers, and of browsers with the moment until which they belong to them."""

    customers: frozenset[str] = frozenset()
    browsers: Mapping[str, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.customers or self.browsers)

    def fate(self, record: Record) -> Found | None:
        """Return how a record names one of the subjects; None if it does not."""
        if record.unreadable is not None:
            return Found.BY_TEXT if self.in_text(record.unreadable) else None
        customer = (record.customer or "").strip()
        if customer and digest(customer) in self.customers:
            return Found.BY_ID
        if not customer and self._is_their_browser(record):
            return Found.BY_BROWSER
        if not customer and any(_is_no_number(text) and self.is_one(text) for text in record.unknown):
            return Found.BY_TEXT
        is_mentioned = any(self.is_one(text) or self.in_text(text) for text in (*record.known, *record.unknown))
        return Found.MENTIONED if is_mentioned else None

    def is_one(self, text: str) -> bool:
        """Return whether a text is one of their ids."""
        return digest(text) in self.customers

    def in_text(self, text: str) -> bool:
        """Return whether a text contains one of their ids: as a cell of a row, a JSON string, or a word.

        Many texts contain short numbers and words that are not ids. So a short number counts only as a JSON string, and
        a word of fewer than four letters only as a cell or string.
        """
        cells = (cell for cell in _stripped(_CELLS.split(text)) if _is_no_number(cell))
        words = (word for word in _words(text) if _is_no_number(word) and len(word) >= 4)
        return any(map(self.is_one, (*_quoted(text), *cells, *words)))

    def _is_their_browser(self, record: Record) -> bool:
        visitor = (record.visitor or "").strip()
        until = self.browsers.get(digest(visitor)) if visitor else None
        return until is not None and (record.moment is None or record.moment < until)


def texts_in(text: str, columns: tuple[Column, ...] | None = None) -> Iterator[str]:
    """Yield the texts in a JSON value: of the contract's text fields; without columns, all names and single values."""
    yield from _texts(json.loads(text, parse_float=str, parse_int=str), columns)


def _texts(value: Any, columns: tuple[Column, ...] | None) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, columns)
    elif isinstance(value, dict):
        known = None if columns is None else {column.name: column for column in columns}
        for name, item in value.items():
            if known is None:
                yield name
                yield from _texts(item, None)
            elif name in known and (known[name].is_nested or known[name].type == "STRING"):
                yield from _texts(item, known[name].fields)
    elif isinstance(value, str):
        yield value


def _words(text: str) -> set[str]:
    return _stripped(word for pattern in _WORDS for word in pattern.findall(text))


def _stripped(found: Iterable[str]) -> set[str]:
    """Return these texts, and the same texts without punctuation around them."""
    listed = set(found)
    return listed | {text.strip(_AROUND) for text in listed}


def _quoted(text: str) -> Iterator[str]:
    for written in _JSON_TEXT.findall(text):
        try:
            yield json.loads(f'"{written}"', strict=False)
        except ValueError:
            yield written


def _is_no_number(text: str) -> bool:
    """Return whether a text is unlikely to be a count or an amount: it is long or not a number."""
    return len(text) >= 6 or not _NUMBER.fullmatch(text)


def is_placeholder(text: str, column: Column) -> bool:
    """Return whether a source writes this text if it does not know the browser. Blank text and zeros always count."""
    return not text.strip(" \t\r\n0-") or text.strip().lower() in column.placeholders
