"""Random values that are a pure function of a name: the same in every process, whatever was drawn before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import TypeVar

import xxhash

T = TypeVar("T")
WORLD_BEGINS = date(2026, 1, 1)


@dataclass(frozen=True)
class Dice:
    """`seed` chooses the world, `scale` its size: 1.0 is about 2,000 online orders a day."""

    seed: int = 7
    scale: float = 1.0

    def number(self, *name: object) -> int:
        """Return 64 bits for a name."""
        return xxhash.xxh3_64_intdigest("|".join(map(str, name)).encode(), seed=self.seed)

    def rng(self, *name: object) -> Random:
        return Random(self.number(*name))

    def unit(self, *name: object) -> float:
        """Return a number in [0, 1) for a name; it is cheaper than a generator if one draw is enough."""
        return (self.number(*name) >> 11) / (1 << 53)

    def pick(self, options: Sequence[T], *name: object) -> T:
        return options[self.number(*name) % len(options)]

    def count(self, at_scale_one: int) -> int:
        return max(1, round(at_scale_one * self.scale))

    def cycle(self, period: int, day: date, *name: object) -> tuple[int, date]:
        """Return how often a thing has changed by `day`, and on which day last. It changes every `period` days."""
        position = day.toordinal() + self.number("phase", *name) % period
        return position // period, day - timedelta(days=position % period)


def moment(day: date, share: float) -> datetime:
    """Return a moment of the day, in UTC without a zone, for a `share` in [0, 1): denser at noon than at midnight."""
    position = share + 0.6 * math.sin(math.tau * share) / math.tau
    return midnight(day) + timedelta(milliseconds=int(position * 86_400_000))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def stamp(at: datetime) -> str:
    """Return the moment in RFC 3339, in UTC with milliseconds. The strings sort as the moments do."""
    return at.isoformat(timespec="milliseconds") + "Z"
