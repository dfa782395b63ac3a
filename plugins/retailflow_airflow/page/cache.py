"""Caches a value that is slow to read: requests get the last value at once, and a thread refreshes it if needed."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

_NET = timedelta(hours=1)  # for changes that `version` does not show
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Known(Generic[T]):
    """The last value, the time of its read, and the error of the newest try if that failed. Each may be None."""

    value: T | None = None
    read_at: datetime | None = None
    error: str | None = None


class Cache(Generic[T]):
    """Calls `read` if a request's `version` differs from the version of the last value, or if that is an hour old.

    After each try it waits for `seconds` before the next one.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read, self._pause = read, timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._known: Known[T] = Known()
        self._version: Any = None
        self._tried_at: datetime | None = None
        self._is_reading = False

    def get(self, version: Any) -> Known[T]:
        now = datetime.now(UTC)
        with self._lock:
            is_current = self._known.error is None and version == self._version
            is_due = self._tried_at is None or now - self._tried_at > (_NET if is_current else self._pause)
            if is_due and not self._is_reading:
                self._is_reading = True
                thread = threading.Thread(target=self._refresh, args=(version,), daemon=True, name="retailflow-run-log")
                thread.start()
            return self._known

    def _refresh(self, version: Any) -> None:
        try:
            known = Known(self._read(), datetime.now(UTC))
        except Exception as error:  # shown on the page, whatever it is
            _log.warning("The run log could not be read: %r", error)
            line = next(iter(str(error).splitlines()), "") or type(error).__name__
            known = Known(self._known.value, self._known.read_at, line)
        with self._lock:
            self._known, self._version, self._tried_at, self._is_reading = known, version, datetime.now(UTC), False
