"""Scheduled days that have no finished run, whatever stopped it: Airflow, the DAG, a run or a backfill.

A day is scheduled where the clock has a run for it. It is done when Airflow knows a successful run for its logical
date, or when the run log has SILVER of every feed for it: a replay made it, or a run from the form, or Airflow's
database was cleaned since. It is missing when it is not done, no run of it is under way and its last deadline is
over.

Where the clock has ended, because `schedule.last_date` is before yesterday, nothing is missing: people run the
history of a laptop by hand.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from retailflow.contracts import entities
from retailflow.environments import Schedule
from retailflow_airflow.incident import RunLog
from retailflow_airflow.incident.culprit import DAILY
from retailflow_airflow.schedule import logical_dates

REMEMBERED = "retailflow_watch"  # the Variable in which the watch keeps what it knows, that of days under "days"
_REPLAY = "retailflow_replay"
_DAYS = ("missing", "idle", "logged")
_AT_ONCE = 100  # logical dates of one question to Airflow, which stand in its address
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What the looks until now have found: every scheduled day until `until` is done, or is one of `missing`.

    `missing` were mailed and are not filled yet. `idle` had a queued run at the last look while nothing ran. `ended` is
    the number of successful runs when the run log was last asked about `missing`. `logged` are days after `until` that
    only the run log knows: they wait there until an older day is done.
    """

    until: date | None = None
    missing: frozenset[date] = frozenset()
    idle: frozenset[date] = frozenset()
    ended: int = 0
    logged: frozenset[date] = frozenset()

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """From what `kept` made."""
        if not kept:
            return cls()
        missing, idle, logged = (frozenset(map(date.fromisoformat, kept[name])) for name in _DAYS)
        return cls(date.fromisoformat(kept["until"]), missing, idle, kept["ended"], logged)

    @property
    def kept(self) -> dict[str, Any]:
        """As JSON can hold it; empty before the first look."""
        if self.until is None:
            return {}
        days = {name: sorted(map(str, getattr(self, name))) for name in _DAYS}
        return {"until": str(self.until), **days, "ended": self.ended}


@dataclass(frozen=True)
class Found:
    """What a look has found: the days to mail as missing and as filled, and what to remember once they are mailed."""

    known: Known
    missing: list[date] = field(default_factory=list)
    filled: list[date] = field(default_factory=list)


def search(schedule: Schedule, last: date, known: Known, ti: Any, run_log: RunLog) -> Found:
    """Look for missing days until `last`, the newest day whose deadlines are over.

    It asks only about the days that are open: nothing on most looks, and one question for a hundred days that all
    have a run, or all have none. The run log is asked only about days that Airflow does not know, and about those
    already mailed only after another run has succeeded. While a run that may fill a mailed day is under way, no day
    is said to be filled, so that a backfill is mailed once and not day by day.
    """
    moments = _scheduled(schedule, known, last)
    mailed = frozenset(known.missing & moments.keys())
    if not moments:
        return Found(replace(known, missing=mailed))
    runs = _Runs(ti, moments)
    left = moments.keys() - runs.of(moments, "success") - known.logged
    under_way = runs.of(left, "queued", "running")
    # Nothing starts a run that waits while nothing runs: its DAG or its backfill is paused, or was cancelled.
    idle = under_way if under_way and not runs.count("running") else frozenset()
    under_way -= idle & known.idle
    left -= under_way
    is_settled = not under_way & mailed
    ended = runs.ended() if left & mailed and is_settled else known.ended
    logged = known.logged
    if left - mailed or ended != known.ended:
        try:
            complete = _complete(run_log.silver(min(left), max(left)))
        except Exception as error:  # a day that a replay made must not be mailed as missing
            _log.warning("The SQL warehouse did not answer, so days without a run are looked at again: %s", error)
            return Found(known)
        logged |= left & complete
        left -= complete
    new = left - mailed
    filled = mailed - left if is_settled else frozenset()
    missing = (mailed | new) - filled
    until = min((day - timedelta(days=1) for day in under_way - missing), default=last)
    _log.info("%d scheduled days were open: %d are missing, %d under way.", len(moments), len(left), len(under_way))
    logged = frozenset(day for day in logged - missing if day > until)
    return Found(Known(until, missing, idle, ended, logged), sorted(new), sorted(filled))


def is_complete(made: Collection[str]) -> bool:
    """Whether a day of which SILVER of these feeds was made is done."""
    return {contract.name for contract in entities()} <= set(made)


def _complete(silver: Mapping[date, Collection[str]]) -> set[date]:
    return {day for day, made in silver.items() if is_complete(made)}


def _scheduled(schedule: Schedule, known: Known, last: date) -> dict[date, list[datetime]]:
    """The open days that the clock has a run for, each with its logical dates: that of a trigger, that of the clock."""
    first = known.until + timedelta(days=1) if known.until else schedule.first_date
    days = {first + timedelta(days=number) for number in range((last - first).days + 1)} | known.missing
    moments = {day: logical_dates(schedule, day) for day in sorted(days) if schedule.has(day)}
    return {day: found for day, found in moments.items() if len(found) > 1}


@dataclass(frozen=True)
class _Runs:
    """What Airflow knows of the runs of the daily DAG. A task may only count them."""

    ti: Any
    moments: Mapping[date, list[datetime]]

    def of(self, days: Iterable[date], *states: str) -> frozenset[date]:
        """Those with a run in one of these states."""
        found: set[date] = set()
        for which in (1, 0):  # a run of the clock or a backfill first: where all have one, that is all there is to ask
            asked = {self.moments[day][which]: day for day in sorted(days) if day not in found}
            found |= {asked[moment] for moment in self._having(list(asked), states)}
        return frozenset(found)

    def _having(self, moments: list[datetime], states: tuple[str, ...]) -> list[datetime]:
        """Asked by halves until all have a run or none has: Airflow holds one run for a logical date."""
        if not moments:
            return []
        if len(moments) <= _AT_ONCE:
            count = self.count(*states, logical_dates=moments)
            if count in (0, len(moments)):
                return moments if count else []
        half = len(moments) // 2
        return self._having(moments[:half], states) + self._having(moments[half:], states)

    def count(self, *states: str, dag_id: str = DAILY, **which: list[datetime]) -> int:
        return self.ti.get_dr_count(dag_id=dag_id, states=list(states), **which)

    def ended(self) -> int:
        """The successful runs of all that may fill a day. A day is filled only where their number changes."""
        return sum(self.count("success", dag_id=dag_id) for dag_id in (DAILY, _REPLAY))
