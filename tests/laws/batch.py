"""Many independent histories through the same jobs at once: thousands of steps for the price of a few runs.

What a history delivers until its n-th night comes in the batches of that night, three a feed and day, beside what the
others deliver; the runs of the nights are the same for all of them. A prefix of its ids tells the histories apart.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from .compare import Difference
from .feed_records import Record, of_history
from .histories import DAYS, RUNS, Pipeline
from .oracle import Oracle

Differences = dict[int | None, list[Difference]]


@dataclass(frozen=True)
class Step:
    """A delivery; or, without a feed, the next night."""

    feed: str | None = None
    number: int = 0
    sent: tuple[Record | str, ...] = ()

    def __str__(self) -> str:
        return f"deliver {self.feed}, day {self.number}: {list(self.sent)}" if self.feed else "night"


@dataclass
class Recorder:
    """A target that only takes down what happens. A run is one more night; so many as `nights` count."""

    nights: int
    steps: list[Step] = field(default_factory=list)

    def deliver(self, feed: str, number: int, sent: list[Record | str]) -> None:
        self.steps.append(Step(feed, number, tuple(sent)))

    def night(self) -> None:
        self.steps.append(Step())

    def run(self, kind: str, feed: str, today: int, order: list[int], writes: int) -> None:
        self.night()

    def finish(self) -> None:
        """What came of it is seen with the others."""

    @property
    def deliveries(self) -> int:
        return sum(step.feed is not None for step in self.steps)

    def by_night(self) -> list[list[Step]]:
        found: list[list[Step]] = [[]]
        for step in self.steps:
            if step.feed:
                found[-1].append(step)
            elif len(found) <= self.nights:
                found.append([])
        return found

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


@dataclass(frozen=True)
class Schedule:
    """The runs of each night: for each feed its kind, today, an order of days, and the write after which a crash is."""

    nights: tuple[tuple[tuple[str, str, int, list[int], int], ...], ...]

    @classmethod
    def drawn(cls, chance: random.Random, feeds: tuple[str, ...], nights: int) -> "Schedule":
        def runs(night: int) -> tuple:
            found = []
            for feed in chance.sample(feeds, len(feeds)):
                order = chance.sample(range(DAYS), DAYS)
                found.append((chance.choice(RUNS), feed, min(night, DAYS - 1), order, chance.randint(1, 4)))
            return tuple(found)

        return cls(tuple(runs(night) for night in range(nights)))

    def __str__(self) -> str:
        return "\n".join(f"night {number}: {runs}" for number, runs in enumerate(self.nights))


def evaluate(pipeline: Pipeline, histories: list[Recorder], schedule: Schedule) -> Differences:
    """What is wrong at the end, by the history that it belongs to; None where that cannot be told."""
    nights = [history.by_night() for history in histories]
    for night in range(len(schedule.nights) + 1):
        batches: dict[tuple[str, int, int], list[Record | str]] = defaultdict(list)
        for number, steps in enumerate(nights):
            for place, step in enumerate(steps[night] if night < len(steps) else ()):
                batches[step.feed, step.number, place % 3] += [of_history(sent, f"h{number}-") for sent in step.sent]
        for (feed, day, _), sent in sorted(batches.items()):
            pipeline.deliver(feed, day, sent)
        for run in schedule.nights[night] if night < len(schedule.nights) else ():
            pipeline.run(*run)
    found: Differences = defaultdict(list)
    oracle = Oracle(pipeline.raw)
    for difference in pipeline.differences():
        found[_owner(difference, oracle)].append(difference)
    return found


def _owner(difference: Difference, oracle: Oracle) -> int | None:
    """By an id in the row or, where it has only a place, in the record that stands there."""
    text = difference.row
    if place := re.search(r'"_position": (\d+), "_source_file": "((\w+)/.+?)"', text):
        text += str([r.raw for r in oracle.records(place[3]) if (str(r.position), r.file) == place.group(1, 2)])
    found = re.search(r"\bh(\d+)-", text)
    return int(found[1]) if found else None


def shrunk(history: Recorder, broken: Callable[[list[Recorder]], Differences]) -> Recorder:
    """The history with steps left out, as long as it fails. All ways to leave some out are tried at once."""
    while True:
        count = len(history.steps)
        sizes = sorted({max(1, count // 2), max(1, count // 4), max(1, count // 8), 1})
        starts = [(start, size) for size in sizes for start in range(0, count, size)]
        smaller = [
            Recorder(history.nights, history.steps[:start] + history.steps[start + size :]) for start, size in starts
        ]
        failing = [smaller[number] for number in broken(smaller) if number is not None] if smaller else []
        if not failing:
            return history
        history = min(failing, key=lambda candidate: len(candidate.steps))
