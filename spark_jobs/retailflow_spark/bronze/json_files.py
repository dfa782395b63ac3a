"""Split JSON files into records and the fields around them: pages of an API, one document, or lines."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from retailflow_spark.bronze.encoding import (
    BYTE_ORDER_MARK,
    BadFile,
    check_is_text,
    check_is_whole_text,
    gunzip,
    without_marks,
)
from retailflow_spark.bronze.json_records import STRING, Invalid, items_of, named_fields, string_of

_TOKEN = re.compile(STRING + rb'|[{}\[\],:]|\xef\xbb\xbf|[^\s"{}\[\],:\xef]++|\xef', re.DOTALL)


class NoArray(BadFile):
    """The object around the records has no array of their name."""


class PageContent(NamedTuple):
    """One page of an API: the text of each record, and of each field around the records."""

    records: list[bytes]
    fields: dict[str, bytes]


def split(payload: bytes, form: str, feed: str, expected: int | None = None) -> list[bytes]:
    """Return the text of each record of a file.

    Args:
        form: json_pages, json_document, ndjson or ndjson_gzip.
        feed: the name of the array with the records of a page or document.
        expected: the number of records in the manifest. Blank lines are records only if the manifest counts them.

    Raises: BadFile where the file as a whole cannot be read.
    """
    return _SPLIT[form](payload, feed, expected)


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
    check_is_whole_text(payload)
    try:
        pages = map(bytes, items_of(payload)) if is_pages else [payload]  # lazy: copies of all pages take memory
        return [bytes(record) for page in pages for record in items_of(_fields_around(page, feed)[feed])]
    except (msgspec.DecodeError, RecursionError):  # one bad record must not affect the others: scan for each
        return list(_Scanner(payload, feed).records(is_pages=is_pages))


def read_page(payload: bytes, feed: str) -> PageContent:
    """Return the content of one page of an API, by the rules for a file of pages.

    Raises: NoArray; BadFile where a file with this page could not be read.
    """
    payload = without_marks(payload)
    check_is_whole_text(payload)
    if payload.lstrip()[:1] != b"{":
        raise BadFile("is not a JSON object" if payload.strip() else "is empty")
    try:
        fields = _fields_around(payload, feed)
        return PageContent([bytes(record) for record in items_of(fields[feed])], fields)
    except (msgspec.DecodeError, RecursionError):
        scanner = _Scanner(payload, feed)
        return PageContent(list(scanner.records(is_pages=False)), scanner.beside)


def _fields_around(page: bytes, feed: str) -> dict[str, bytes]:
    """Return the fields of a page or document, including the array of its records."""
    try:
        fields = named_fields(page)
    except Invalid:
        raise BadFile("has a name twice in the object around its records") from None
    if fields.get(feed, b"")[:1] != b"[":
        raise _lacks_array(feed)
    return fields


def _lacks_array(feed: str) -> BadFile:
    return NoArray(f"has no array {feed!r}; the source renamed or removed it")


class _Scanner:
    """Finds the records of pages or of a document only by brackets and commas, whatever is wrong inside a record."""

    def __init__(self, payload: bytes, feed: str) -> None:
        self._payload, self._feed = payload, feed
        self.beside: dict[str, bytes] = {}  # the other fields of the last object
        found = (match for match in _TOKEN.finditer(payload) if match[0] != BYTE_ORDER_MARK)
        self._tokens = ((match[0], match.start(), match.end()) for match in found)
        self._token, self._start, self._end = b"", 0, 0
        self._advance()

    def records(self, *, is_pages: bool) -> Iterator[bytes]:
        """Yield the text of each record. Raises: BadFile."""
        if is_pages:
            yield from self._listed(self._page)
        else:
            yield from self._page()
        if self._token:
            raise self._broken()

    def _page(self) -> Iterator[bytes]:
        """Yield the records of the object that starts at the current token."""
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
        """Yield the text of the value that starts at the current token, up to the comma or bracket after it."""
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
            name = string_of(self._token)
        except msgspec.DecodeError:
            raise self._broken() from None
        self._advance()
        return name

    def _separate(self, closing: bytes) -> None:
        """Skip a comma, which another element must follow. The closing bracket is not skipped."""
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
        if between.strip():  # a quote without its end, which is not a token
            raise self._broken(end)

    def _broken(self, position: int | None = None) -> BadFile:
        return BadFile(f"is not valid JSON near byte {self._start if position is None else position}")
