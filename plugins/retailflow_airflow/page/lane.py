"""Threads of the page's own for what asks the warehouse.

Airflow's API serves its tasks by the threads that answer the page. A warehouse that hangs must not take these.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(RuntimeError):
    """The warehouse did not answer in time, or so many wait for it already that there is no room."""


class Lane:
    """Runs work in `threads` threads, for `seconds` at most; no more than `places` wait or run at a time."""

    def __init__(self, threads: int, places: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="retailflow-page")
        self._places, self._seconds = places, seconds
        self._taken = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns. Raises: what it raises, and BusyError. Work that has begun is not broken off."""
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
