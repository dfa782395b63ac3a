"""A value that is slow to read: who asks gets the last one at once, and a thread reads it anew where it is old."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Known(Generic[T]):
    """The last value that was read, when, and why the newest try to read it failed; None where that is not so."""

    value: T | None = None
    read_at: datetime | None = None
    error: str | None = None


class Cache(Generic[T]):
    """`read` is called again by the first request that comes more than `seconds` after the last try."""

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read, self._age = read, timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._known: Known[T] = Known()
        self._tried_at: datetime | None = None
        self._is_reading = False

    def get(self) -> Known[T]:
        now = datetime.now(UTC)
        with self._lock:
            is_due = self._tried_at is None or now - self._tried_at > self._age
            if is_due and not self._is_reading:
                self._is_reading = True
                threading.Thread(target=self._refresh, daemon=True, name="retailflow-ledger").start()
            return self._known

    def _refresh(self) -> None:
        try:
            known = Known(self._read(), datetime.now(UTC))
        except Exception as error:  # shown on the page, whatever it is
            _log.warning("The ledger could not be read: %r", error)
            line = next(iter(str(error).splitlines()), "") or type(error).__name__
            known = Known(self._known.value, self._known.read_at, line)
        with self._lock:
            self._known, self._tried_at, self._is_reading = known, datetime.now(UTC), False
