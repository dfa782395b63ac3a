"""Spans of keys as literals of a condition, so that files without any of the keys are skipped.

A join with keys skips no file, however few they are; one range from the least to the greatest key reads all that lies
between an old key and those of today.
"""

from collections.abc import Iterable
from itertools import pairwise

from pyspark.sql import Column
from pyspark.sql import functions as F

Span = tuple[str, str]
_MOST_SPANS = 50  # in one condition; the nearest of more are taken together


def near(key: str, spans: Iterable[Span]) -> Column:
    """Whether a key lies in one of the spans, by literals, which skip files where keys have an order in time."""
    return _any([F.col(key).between(least, greatest) for least, greatest in merged(spans)])


def _any(conditions: list[Column]) -> Column:
    """Whether one of them is true: as a balanced tree, since in a row fifty nest deeper than a query may be sent."""
    if len(conditions) < 2:
        return conditions[0] if conditions else F.lit(False)
    half = len(conditions) // 2
    return _any(conditions[:half]) | _any(conditions[half:])


def merged(spans: Iterable[Span], most: int = _MOST_SPANS) -> list[Span]:
    """The same in few spans, in order: those that overlap are one, and of too many those with the smallest gaps."""
    found: list[Span] = []
    for least, greatest in sorted(span for span in spans if span[0] is not None):
        if found and least <= found[-1][1]:
            found[-1] = (found[-1][0], max(greatest, found[-1][1]))
        else:
            found.append((least, greatest))
    if len(found) <= most:
        return found
    widest = sorted(
        range(1, len(found)), key=lambda place: _distance(found[place - 1][1], found[place][0]), reverse=True
    )
    starts = [0, *sorted(widest[: most - 1]), len(found)]
    return [(found[a][0], found[b - 1][1]) for a, b in pairwise(starts)]


def _distance(one: str, other: str) -> tuple[int, int]:
    """How far apart two texts are in their order, comparable with other distances."""
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    first, second = (int.from_bytes(text[start:][:4].encode("utf-32-be").ljust(16, b"\0")) for text in (one, other))
    return -start, second - first
