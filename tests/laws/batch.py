"""Run many independent histories through the same jobs at once: thousands of steps for the price of a few runs.

The deliveries of all histories before the n-th night share the batches of that night, three per feed and day. The runs
of a night are the same for all histories. A prefix of the ids distinguishes the histories.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from .compare import Difference
from .histories import DAYS, RUNS, Pipeline
from .hostile import of_history_sent
from .oracle import Oracle
from .sources import Sent

Differences = dict[int | None, list[Difference]]


@dataclass(frozen=True)
class Step:
    """A delivery. Without a feed, the next night."""

    feed: str | None = None
    number: int = 0
    sent: tuple[Sent, ...] = ()
    is_early: bool = False

    def __str__(self) -> str:
        how = " early" if self.is_early else ""
        return f"deliver {self.feed}, day {self.number}{how}: {list(self.sent)}" if self.feed else "night"


@dataclass
class Recorder:
    """A target that only records the steps. A run counts as a night; only the first `nights` nights count.

    The schedule has the withdrawn batches and the missed days, because these are the same for all histories.
    """

    nights: int
    steps: list[Step] = field(default_factory=list)

    def deliver(self, feed: str, number: int, sent: list[Sent], is_early: bool = False) -> None:
        self.steps.append(Step(feed, number, tuple(sent), is_early))

    def withdraw(self, feed: str, number: int, which: int) -> None:
        """Do nothing: the schedule has the withdrawals."""

    def miss(self, feed: str, number: int) -> None:
        """Do nothing: the schedule has the missed days."""

    def night(self) -> None:
        self.steps.append(Step())

    def run(self, kind: str, feed: str, today: int, order: list[int], writes: int) -> None:
        self.night()

    def finish(self) -> None:
        """Do nothing: `evaluate` compares all histories together."""

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
    """The events that all histories share.

    `nights` has the runs of each night: for each feed the kind, the feed, today, an order of days, and the number of
    the write after which a crash happens. `withdrawals` has the batches to withdraw before each night: feed, day and
    which of its batches. `missed` has the feeds and days that no run processes until the end.
    """

    nights: tuple[tuple[tuple[str, str, int, list[int], int], ...], ...]
    withdrawals: tuple[tuple[tuple[str, int, int], ...], ...]
    missed: tuple[tuple[str, int], ...]

    @classmethod
    def drawn(cls, chance: random.Random, feeds: tuple[str, ...], nights: int) -> "Schedule":
        def runs(night: int) -> tuple:
            found = []
            for feed in chance.sample(feeds, len(feeds)):
                order = chance.sample(range(DAYS), DAYS)
                found.append((chance.choice(RUNS), feed, min(night, DAYS - 1), order, chance.randint(1, 4)))
            return tuple(found)

        def withdrawn(night: int) -> tuple:
            some = (feed for feed in feeds if night and chance.random() < 0.4)
            return tuple((feed, chance.randrange(DAYS), chance.randrange(99)) for feed in some)

        drawn = tuple(runs(night) for night in range(nights))
        withdrawals = tuple(withdrawn(night) for night in range(nights + 1))
        missed = tuple((feed, day) for feed in feeds for day in range(DAYS) if chance.random() < 0.15)
        return cls(drawn, withdrawals, missed)

    def __str__(self) -> str:
        lines = [f"night {number}: {runs}" for number, runs in enumerate(self.nights)]
        lines += [f"withdrawn before night {number}: {found}" for number, found in enumerate(self.withdrawals)]
        return "\n".join((*lines, f"missed: {self.missed}"))


def evaluate(pipeline: Pipeline, histories: list[Recorder], schedule: Schedule) -> Differences:
    """Return the differences at the end by the number of their history; None if the history is unknown."""
    nights = [history.by_night() for history in histories]
    for missed in schedule.missed:
        pipeline.miss(*missed)
    for night in range(len(schedule.nights) + 1):
        batches: dict[tuple[str, int, bool, int], list[Sent]] = defaultdict(list)
        for number, steps in enumerate(nights):
            for place, step in enumerate(steps[night] if night < len(steps) else ()):
                batch = batches[step.feed, step.number, step.is_early, place % 3]
                batch += [of_history_sent(sent, number) for sent in step.sent]
        for withdrawal in schedule.withdrawals[night]:
            pipeline.withdraw(*withdrawal)
        for (feed, day, is_early, _), sent in sorted(batches.items()):
            pipeline.deliver(feed, day, sent, is_early)
        for run in schedule.nights[night] if night < len(schedule.nights) else ():
            pipeline.run(*run)
    found: Differences = defaultdict(list)
    oracle = Oracle(pipeline.raw)
    for difference in pipeline.differences():
        found[_owner(difference, oracle)].append(difference)
    return found


def _owner(difference: Difference, oracle: Oracle) -> int | None:
    """Find the history by an id in the row or, if the row has only a position, in the record at that position."""
    text = difference.row
    if place := re.search(r'"_position": (\d+), "_source_file": "((\w+)/.+?)"', text):
        text += str([r.received for r in oracle.records(place[3]) if (str(r.position), r.file) == place.group(1, 2)])
    found = re.search(r"\bh(\d+)-", text)
    return int(found[1]) if found else None


def shrunk(history: Recorder, broken: Callable[[list[Recorder]], Differences]) -> Recorder:
    """Return the history with as few steps as possible that still fails. Each round tries all candidates at once."""
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
