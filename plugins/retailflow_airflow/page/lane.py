"""Separate threads for the page's queries of the warehouse.

Airflow's API uses the threads that serve the page also for its tasks. A warehouse that hangs must not block them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(RuntimeError):
    """The warehouse did not answer in time, or too many requests already wait for it."""


class Lane:
    """Runs work in `threads` threads. At most `places` calls wait or run at a time, each for at most `seconds`."""

    def __init__(self, threads: int, places: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="retailflow-page")
        self._places, self._seconds = places, seconds
        self._taken = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of `work`. Raises: its errors, and BusyError. Work that has started is not cancelled."""
        if self._taken >= self._places:
            raise BusyError("Too many requests wait for the SQL warehouse.")
        self._taken += 1
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._leave())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            raise BusyError(f"The SQL warehouse did not answer within {self._seconds:g} s.") from None

    def _leave(self) -> None:
        self._taken -= 1
