"""Spans of keys: conditions with literals, which skip files that have none of the keys.

A join with keys skips no file, however few keys there are. A single range from the least to the greatest key would read
everything between one old key and the keys of today.
"""

from collections.abc import Iterable
from itertools import pairwise

from pyspark.sql import Column
from pyspark.sql import functions as F

Span = tuple[str, str]
_MOST_SPANS = 50  # in one condition; if there are more, the nearest spans are joined


def near(key: str, spans: Iterable[Span]) -> Column:
    """Return the condition that a key lies in one of the spans. It skips files if keys grow with time."""
    return _any([F.col(key).between(least, greatest) for least, greatest in merged(spans)])


def _any(conditions: list[Column]) -> Column:
    """Return the condition that one of these is true, as a balanced tree: a chain of fifty is nested too deeply."""
    if len(conditions) < 2:
        return conditions[0] if conditions else F.lit(False)
    half = len(conditions) // 2
    return _any(conditions[:half]) | _any(conditions[half:])


def merged(spans: Iterable[Span], most: int = _MOST_SPANS) -> list[Span]:
    """Return at most `most` spans that cover these, in order. Joins spans that overlap, then the nearest ones."""
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
    """Return how far apart two texts are in sort order. Distances can be compared with each other."""
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    first, second = (int.from_bytes(text[start:][:4].encode("utf-32-be").ljust(16, b"\0")) for text in (one, other))
    return -start, second - first
