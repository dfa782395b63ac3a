"""Read the pages of a source API in order. Checks each page as BRONZE will read it; retries requests within limits.

No message quotes an answer, a cursor or the token.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from time import monotonic, sleep

import msgspec
import requests

from retailflow.environments import Source
from retailflow_spark.bronze.encoding import MOST_BYTES, BadFile
from retailflow_spark.bronze.json_files import NoArray, PageContent, read_page

PAGE_SIZE = 500
TIMEOUT_SECONDS = (5, 60)  # connect, read
MOST_ATTEMPTS = 9  # for a page, if the source does not say when to retry
_LONGEST_WAIT = 60  # seconds; our own limit
_SHORTEST_WAIT = 1  # seconds, if the source repeatedly asks for less
_SHARE = 0.8  # of a run's time; the rest is for the start of its compute and for its last writes
_RETRIED = {429, 500, 502, 503, 504}
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,  # the body is cut off
    requests.exceptions.ContentDecodingError,
)
_MOST_BYTES = MOST_BYTES - len("[]")  # of a page, which may be a file by itself
_CENTURY = timedelta(days=36525)


class SourceError(RuntimeError):
    """The source API does not answer, or its answer is not a page."""


@dataclass(frozen=True)
class Page:
    """A page as received, and the number of its records."""

    payload: bytes
    records: int


@dataclass(frozen=True)
class TimeLimit:
    """The time that a run of this many minutes may spend on requests to a source."""

    minutes: int
    started: float = field(default_factory=monotonic)

    @property
    def seconds_left(self) -> float:
        """The seconds until the limit; negative after it."""
        return self.started + self.minutes * 60 * _SHARE - monotonic()

    def __str__(self) -> str:
        return f"longer than this run may last ({self.minutes} minutes)"


def pages(source: Source, feed: str, ingestion_date: date, token: str, limit: TimeLimit) -> Iterator[Page]:
    """Yield the pages of changes of a day, and of the last hours of the day before (`overlap_hours`).

    Raises: SourceError where the source does not answer, or its answer is not a page.
    """
    url = f"{source.base_url}/{feed}"
    start = datetime.combine(ingestion_date, time_of_day(), UTC)
    query = {
        "updated_from": _rfc_3339(start - timedelta(hours=source.overlap_hours)),
        "updated_until": _rfc_3339(start + timedelta(days=1)),
        "limit": str(PAGE_SIZE),
    }
    asked: set[str] = set()
    with requests.Session() as session:
        session.auth = _bearer(url, token)
        for number in count(1):
            what = f"{url}, page {number} of {ingestion_date}:"
            payload = _fetch(session, url, query, what, limit)
            content = _read(payload, feed, what)
            cursor = _next_cursor(content, what)
            if cursor in asked:
                raise SourceError(f"{what} its next_cursor was asked for before; the source goes in a circle")
            yield Page(payload, len(content.records))
            if cursor is None:
                return
            asked.add(cursor)
            query["cursor"] = cursor


def _rfc_3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _bearer(url: str, token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return a function that adds the token to a request. A ~/.netrc would override a header of the session."""
    token = token.strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise SourceError(f"the token for {url} is empty or has characters that no header may have; store it again")

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorize


def _fetch(session: requests.Session, url: str, query: dict[str, str], what: str, limit: TimeLimit) -> bytes:
    """Return the body of an answer with status 200. Retries temporary errors within the limit.

    Raises: SourceError.
    """
    for attempt in count(1):
        wait = None
        try:
            with session.get(url, params=query, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False) as answer:
                if answer.status_code == HTTPStatus.OK:
                    return _body(answer, what, limit)
                said = f"{what} answered {_status(answer.status_code)}"
                if answer.is_redirect:
                    raise SourceError(f"{said}, a redirect, which is not followed: correct base_url")
                if answer.status_code not in _RETRIED:
                    raise SourceError(said)
                wait = wait_asked_for(answer.headers.get("Retry-After"), datetime.now(UTC))
        except _BROKEN as error:
            said = f"{what} does not answer, or not to the end: {type(error).__name__}"
        except requests.RequestException as error:
            raise SourceError(f"{what} cannot be asked: {type(error).__name__}") from None
        if wait is None:
            if attempt >= MOST_ATTEMPTS:
                raise SourceError(f"{said}, after {attempt} attempts")
            wait = min(_LONGEST_WAIT, 2 ** (attempt - 2)) * random.uniform(0.5, 1)
            if wait > limit.seconds_left:
                raise SourceError(f"{said}, {limit}")
        elif wait > limit.seconds_left:
            until = datetime.now(UTC) + timedelta(seconds=wait)
            raise SourceError(f"{said} and asks to wait until {until:%Y-%m-%d %H:%M} UTC, {limit}")
        else:
            wait = max(wait, _SHORTEST_WAIT)
        sleep(wait)


def wait_asked_for(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds to wait by a Retry-After header, a number or a date; None if it asks for no wait."""
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(seconds, _CENTURY.total_seconds()) if seconds > 0 else None


def _status(code: int) -> str:
    """Return the code and its standard phrase. The source's own phrase could contain anything."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _body(answer: requests.Response, what: str, limit: TimeLimit) -> bytes:
    answer.raw.enforce_content_length = True  # without it, urllib3 1.26 accepts a body that is cut off
    chunks, size = [], 0
    for chunk in answer.iter_content(2**16):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MOST_BYTES:
            raise SourceError(f"{what} holds more than {MOST_BYTES // 2**20} MiB; ask for smaller pages")
        if limit.seconds_left < 0:
            raise SourceError(f"{what} the source has not come to an end, {limit}")
    return b"".join(chunks)


def _read(payload: bytes, feed: str, what: str) -> PageContent:
    try:
        return read_page(payload, feed)
    except NoArray:
        raise SourceError(f"{what} answered 200 OK without an array {feed!r}: an error, or another API") from None
    except BadFile as error:
        raise SourceError(f"{what} answered 200 OK, but the page {error}") from None


def _next_cursor(page: PageContent, what: str) -> str | None:
    try:
        cursor = msgspec.json.decode(page.fields["next_cursor"], type=str | None)
    except KeyError:
        raise SourceError(f"{what} has no next_cursor") from None
    except msgspec.DecodeError:
        raise SourceError(f"{what} has a next_cursor that is neither text nor null") from None
    if cursor == "":
        raise SourceError(f"{what} has an empty next_cursor; the last page has null")
    return cursor
