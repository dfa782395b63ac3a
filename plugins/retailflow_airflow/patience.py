"""Limits how long we wait for a service that may not answer."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in a thread.

    The limit covers everything that `work` waits for, for example a name server. After the limit the thread continues
    alone; it does not keep the process alive.

    Raises: the errors of `work`; TimeoutError if it takes longer than `seconds`.
    """
    answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, work()))
        except Exception as error:
            answers.put((False, error))

    Thread(target=run, daemon=True).start()
    try:
        is_done, answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {round(seconds, 1):g} s") from None
    if not is_done:
        raise answer
    return answer
