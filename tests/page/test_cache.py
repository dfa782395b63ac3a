import threading
import time
from datetime import timedelta
from itertools import count, repeat

from retailflow_airflow.page import cache as module
from retailflow_airflow.page.cache import Cache

VERSIONS, ONE_VERSION = count(), repeat("one")


def settled(cache: Cache, is_so, versions=VERSIONS):
    """Return the known value once `is_so` accepts it."""
    deadline = time.monotonic() + 10
    while not is_so(known := cache.get(next(versions))):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return known


def test_callers_get_the_last_value_while_one_thread_reads_again():
    gate, reads = threading.Event(), []

    def read():
        reads.append(len(reads))
        if len(reads) > 1:
            gate.wait(10)
        return len(reads)

    cache = Cache(read, seconds=0)
    assert settled(cache, lambda known: known.value).value == 1
    settled(cache, lambda _: len(reads) == 2)
    assert [cache.get(next(VERSIONS)).value for _ in range(20)] == [1] * 20
    assert len(reads) == 2
    gate.set()
    assert settled(cache, lambda known: known.value != 1).error is None


def test_nothing_is_read_before_its_time():
    reads = []
    cache = Cache(lambda: reads.append(1) or 1, seconds=3600)
    settled(cache, lambda known: known.value)
    cache.get(next(VERSIONS))
    assert reads == [1]


def test_a_value_of_the_same_version_is_read_once_an_hour(monkeypatch):
    reads = []
    cache = Cache(lambda: reads.append(1) or len(reads), seconds=0)
    settled(cache, lambda known: known.value, ONE_VERSION)
    assert [cache.get("one").value for _ in range(20)] == [1] * 20
    assert reads == [1]
    monkeypatch.setattr(module, "_NET", timedelta(0))  # the hour is over
    assert settled(cache, lambda known: known.value == 2, ONE_VERSION).error is None


def test_a_value_of_the_same_version_is_read_again_after_an_error():
    answers = iter([TimeoutError(), 7])

    def read():
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    assert settled(Cache(read, seconds=0), lambda known: known.value, ONE_VERSION).error is None


def test_a_source_that_does_not_answer_leaves_the_last_value_and_says_why():
    answers = iter([7])

    def read():
        try:
            return next(answers)
        except StopIteration:
            raise RuntimeError("no warehouse\nfrom 10.0.0.1") from None

    cache = Cache(read, seconds=0)
    first = settled(cache, lambda known: known.value)
    known = settled(cache, lambda known: known.error)
    assert (known.value, known.read_at, known.error) == (7, first.read_at, "no warehouse")


def test_an_error_without_text_does_not_end_the_reading():
    answers = iter([TimeoutError(), 7])

    def read():
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    cache = Cache(read, seconds=0)
    assert settled(cache, lambda known: known.error).error == "TimeoutError"
    assert settled(cache, lambda known: known.value).error is None
