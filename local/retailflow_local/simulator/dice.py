"""Chance that is a pure function of its name: the same in every process, whatever was drawn before."""

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
        """64 bits for a name."""
        return xxhash.xxh3_64_intdigest("|".join(map(str, name)).encode(), seed=self.seed)

    def rng(self, *name: object) -> Random:
        return Random(self.number(*name))

    def unit(self, *name: object) -> float:
        """A number in [0, 1) for a name; cheaper than a generator where one draw is enough."""
        return (self.number(*name) >> 11) / (1 << 53)

    def pick(self, options: Sequence[T], *name: object) -> T:
        return options[self.number(*name) % len(options)]

    def count(self, at_scale_one: int) -> int:
        return max(1, round(at_scale_one * self.scale))

    def cycle(self, period: int, day: date, *name: object) -> tuple[int, date]:
        """How often a thing has changed by `day`, and the day it last did: every `period` days, each at its phase."""
        position = day.toordinal() + self.number("phase", *name) % period
        return position // period, day - timedelta(days=position % period)


def moment(day: date, share: float) -> datetime:
    """A moment of the day, in UTC without a zone: `share` in [0, 1), four times denser at noon than at midnight."""
    position = share + 0.6 * math.sin(math.tau * share) / math.tau
    return midnight(day) + timedelta(milliseconds=int(position * 86_400_000))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds; strings sort as the moments do."""
    return at.isoformat(timespec="milliseconds") + "Z"
