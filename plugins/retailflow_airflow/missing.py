"""Finds scheduled days without a finished run, whatever stopped it: Airflow, the DAG, a run or a backfill.

A day is scheduled if the schedule has a run for it. It is done if Airflow knows a successful run for its logical date,
or if the run log has SILVER of every feed for it. In the second case a replay or a run from the form made it, or
Airflow's database was cleaned since. A day is missing if it is not done, no run of it is under way and its last
deadline is over.

If the schedule has ended, because `schedule.last_date` is before yesterday, no day is missing: people run the history
of a laptop by hand.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from retailflow.contracts import feeds
from retailflow.environments import Schedule
from retailflow_airflow.incident import RunLog
from retailflow_airflow.incident.culprit import DAILY
from retailflow_airflow.schedule import logical_dates

REMEMBERED = "retailflow_watch"  # the Variable with the state of the watch; "days" in it has the state of days
_REPLAY = "retailflow_replay"
_DAYS = ("missing", "idle", "logged")
_AT_ONCE = 100  # logical dates per request to Airflow: the request's address contains them
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """The result of all searches until now: every scheduled day until `until` is done, or is one of `missing`.

    `missing` were mailed and are not filled yet. `idle` had a queued run at the last search while nothing ran. `ended`
    is the number of successful runs when the run log was last asked about `missing`. `logged` are days after `until`
    that only the run log knows: they stay there until the older days are done.
    """

    until: date | None = None
    missing: frozenset[date] = frozenset()
    idle: frozenset[date] = frozenset()
    ended: int = 0
    logged: frozenset[date] = frozenset()

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """Return the state that `kept` has stored."""
        if not kept:
            return cls()
        missing, idle, logged = (frozenset(map(date.fromisoformat, kept[name])) for name in _DAYS)
        return cls(date.fromisoformat(kept["until"]), missing, idle, kept["ended"], logged)

    @property
    def kept(self) -> dict[str, Any]:
        """The state as JSON values; empty before the first search."""
        if self.until is None:
            return {}
        days = {name: sorted(map(str, getattr(self, name))) for name in _DAYS}
        return {"until": str(self.until), **days, "ended": self.ended}


@dataclass(frozen=True)
class Found:
    """The result of a search: the days to mail as missing and as filled, and the state to save after the mails."""

    known: Known
    missing: list[date] = field(default_factory=list)
    filled: list[date] = field(default_factory=list)


def search(schedule: Schedule, last: date, known: Known, ti: Any, run_log: RunLog) -> Found:
    """Look for missing days until `last`, the newest day whose deadlines are over.

    It asks Airflow only about open days: most searches have none, and one request is enough for a hundred days that all
    have a run, or all have none. It asks the run log only about days that Airflow does not know, and about days already
    mailed only after another run has succeeded. While a run that may fill a mailed day is under way, it reports no day
    as filled, so a backfill causes one mail and not one for each day.
    """
    moments = _scheduled(schedule, known, last)
    mailed = frozenset(known.missing & moments.keys())
    if not moments:
        return Found(replace(known, missing=mailed))
    runs = _Runs(ti, moments)
    left = moments.keys() - runs.of(moments, "success") - known.logged
    under_way = runs.of(left, "queued", "running")
    # Nothing will start a run that is queued while nothing runs: its DAG or backfill is paused, or was cancelled.
    idle = under_way if under_way and not runs.count("running") else frozenset()
    under_way -= idle & known.idle
    left -= under_way
    is_settled = not under_way & mailed
    ended = runs.ended() if left & mailed and is_settled else known.ended
    logged = known.logged
    if left - mailed or ended != known.ended:
        try:
            complete = _complete(run_log.silver(min(left), max(left)))
        except Exception as error:  # without an answer, a day that a replay made could be mailed as missing
            _log.warning("The SQL warehouse did not answer, so days without a run are checked again later: %s", error)
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
    """Return whether a day is done if SILVER of the feeds `made` exists."""
    return {contract.name for contract in feeds()} <= set(made)


def _complete(silver: Mapping[date, Collection[str]]) -> set[date]:
    return {day for day, made in silver.items() if is_complete(made)}


def _scheduled(schedule: Schedule, known: Known, last: date) -> dict[date, list[datetime]]:
    """Return the open scheduled days, each with two logical dates: that of a trigger and that of the schedule."""
    first = known.until + timedelta(days=1) if known.until else schedule.first_date
    days = {first + timedelta(days=number) for number in range((last - first).days + 1)} | known.missing
    moments = {day: logical_dates(schedule, day) for day in sorted(days) if schedule.has(day)}
    return {day: found for day, found in moments.items() if len(found) > 1}


@dataclass(frozen=True)
class _Runs:
    """Asks Airflow about the runs of the daily DAG. A task can only count runs, not list them."""

    ti: Any
    moments: Mapping[date, list[datetime]]

    def of(self, days: Iterable[date], *states: str) -> frozenset[date]:
        """Return the days that have a run in one of these states."""
        found: set[date] = set()
        for which in (1, 0):  # first scheduled and backfill runs: if all days have one, no further request is needed
            asked = {self.moments[day][which]: day for day in sorted(days) if day not in found}
            found |= {asked[moment] for moment in self._having(list(asked), states)}
        return frozenset(found)

    def _having(self, moments: list[datetime], states: tuple[str, ...]) -> list[datetime]:
        """Return the logical dates that have a run, by bisection: Airflow has at most one run for a logical date."""
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
        """Return the number of successful runs of the DAGs that can fill a day. A filled day changes this number."""
        return sum(self.count("success", dag_id=dag_id) for dag_id in (DAILY, _REPLAY))
