"""A daily figure over time: finds the unusual days, and draws a small chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from statistics import median

RULE = (
    "A day is marked if it lies outside median ± 4 MAD of the same weekday in the 12 weeks before it (MAD, the "
    "median distance from the median, is taken as at least 3 % of the median); at least 5 of these days are needed."
)
_WEEKS, _LEAST, _WIDTH, _LEAST_SHARE = 12, 5, 4.0, 0.03
WIDE, HIGH = 360, 96
_TOP, _BOTTOM = 6, 90


@dataclass(frozen=True)
class Day:
    """The figure of a day. `low` and `high` are the limits of the ordinary range; None if too few days are known."""

    day: date
    value: float
    low: float | None
    high: float | None

    @property
    def is_unusual(self) -> bool:
        return self.low is not None and self.high is not None and not self.low <= self.value <= self.high


def with_limits(values: Mapping[date, float]) -> list[Day]:
    """Return the known days in order, each with the ordinary range that earlier days of its weekday give."""
    found = []
    for day in sorted(values):
        before = [values[then] for weeks in range(1, _WEEKS + 1) if (then := day - timedelta(weeks=weeks)) in values]
        low = high = None
        if len(before) >= _LEAST:
            middle = median(before)
            spread = _WIDTH * max(median(abs(value - middle) for value in before), _LEAST_SHARE * abs(middle))
            low, high = middle - spread, middle + spread
        found.append(Day(day, values[day], low, high))
    return found


@dataclass(frozen=True)
class Plot:
    """The chart that the template draws, in units of a box of WIDE by HIGH."""

    title: str
    known: Sequence[Day]
    first: date
    last: date

    @cached_property
    def days(self) -> list[Day]:
        return [day for day in self.known if self.first <= day.day <= self.last]

    @cached_property
    def top(self) -> float:
        return max((max(day.value, day.high or 0) for day in self.days), default=0) or 1.0

    @property
    def line(self) -> str:
        """The SVG path of the values, with a gap at each missing day."""
        parts = []
        for index, day in enumerate(self.days):
            follows = index and (day.day - self.days[index - 1].day).days == 1
            parts.append(f"{'L' if follows else 'M'}{self.x(day.day)} {self.y(day.value)}")
        return " ".join(parts)

    @property
    def band(self) -> str:
        bounded = [day for day in self.days if day.low is not None and day.high is not None]
        if len(bounded) < 2:
            return ""
        upper = [f"{self.x(day.day)} {self.y(day.high)}" for day in bounded]
        lower = [f"{self.x(day.day)} {self.y(max(day.low, 0))}" for day in reversed(bounded)]
        return f"M{' L'.join([*upper, *lower])} Z"

    @cached_property
    def unusual(self) -> list[Day]:
        return [day for day in self.days if day.is_unusual]

    def x(self, day: date) -> float:
        return round((day - self.first).days / max((self.last - self.first).days, 1) * WIDE, 1)

    def y(self, value: float) -> float:
        return round(_BOTTOM - max(value, 0) / self.top * (_BOTTOM - _TOP), 1)


def short(value: float) -> str:
    """Return the number as short text, for example `950`, `12.4 k` or `3.1 M`."""
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):,.1f} {unit}"
    return f"{value:,.0f}"
