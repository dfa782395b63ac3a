"""Derives the state of a feed or GOLD table in a layer on a day, from the run log and from Airflow."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from retailflow.contracts import FeedContract, GoldContract, feeds, gold_tables
from retailflow.environments import Environment
from retailflow_airflow.page.airflow_states import Task
from retailflow_airflow.page.run_log import Row, RunLog

LAYERS = ("raw", "bronze", "silver")
_UNDER_WAY = ("running", "queued", "scheduled", "restarting", "up_for_retry", "up_for_reschedule")


class State(NamedTuple):
    """The state of a cell. `name` selects its symbol and style. If several cells share one symbol, the highest `rank`
    is shown.
    """

    name: str
    label: str
    rank: int


FAILED = State("failed", "failed", 10)
UNBALANCED = State("unbalanced", "records lost or doubled", 9)
UNPUBLISHED = State("unpublished", "built, not published", 8)
BLOCKED = State("blocked", "not run: an upstream task failed", 7)
MISSING = State("missing", "not run: the day is missing", 6)
OVERDUE = State("overdue", "overdue", 5)
LATE = State("late", "done late", 4)
RUNNING = State("running", "running", 3)
WAITING = State("waiting", "waiting for the delivery", 2)
DONE = State("done", "done", 1)
NONE = State("none", "no run", 0)
STATES = (DONE, LATE, RUNNING, WAITING, OVERDUE, MISSING, BLOCKED, UNPUBLISHED, UNBALANCED, FAILED, NONE)


@dataclass(frozen=True)
class Cell:
    """A layer of a feed or GOLD table on a day. `deadline` is the promised time; bronze and raw have none."""

    layer: str
    name: str
    day: date
    state: State
    run: Row | None = None
    task: Task | None = None
    balance: Row | None = None
    deadline: datetime | None = None
    is_outdated: bool = False
    is_ingested: bool = False  # the task is the one that fetches the feed from its API

    @property
    def task_id(self) -> str:
        return f"{self.layer}.{'ingest_' if self.is_ingested else ''}{self.name}"

    @property
    def is_due(self) -> bool:
        """Whether the cell can be late: only scheduled runs have a deadline, not backfills and manual runs."""
        started_by = (self.run or {}).get("first_dag_run_id") or ""
        return self.deadline is not None and started_by.startswith("scheduled__")

    @property
    def quarantined(self) -> int | None:
        return self.balance["quarantined_count"] if self.balance else None

    @property
    def freshness(self) -> str:
        if self.run is None or self.deadline is None:
            return f"due {self.deadline:%H:%M}" if self.deadline else ""
        if not self.is_due:
            return "not scheduled"
        gap = self.deadline - self.run["first_ended_at"]
        return f"{spoken(abs(gap))} {'early' if gap >= timedelta(0) else 'late'}"


class Board:
    """All cells that the run log and Airflow know.

    `tasks` are the tasks of the requested days, `missing` the scheduled days that have no finished run.
    """

    def __init__(
        self,
        env: Environment,
        run_log: RunLog,
        tasks: Mapping[tuple[date, str], Task],
        now: datetime,
        missing: Collection[date] = (),
    ) -> None:
        self._env, self._run_log, self._tasks, self._now, self.missing = env, run_log, tasks, now, missing
        self._first, self._last = run_log.days or (date.max, date.min)
        self._released = run_log.release["versions"] if run_log.release else {}

    def tasks(self, day: date) -> dict[str, Task]:
        """Return the tasks of the day's newest run, by task id."""
        return {task_id: task for (when, task_id), task in self._tasks.items() if when == day}

    def cells(self, contract: FeedContract | GoldContract, day: date) -> list[Cell]:
        layers = LAYERS if isinstance(contract, FeedContract) else ("gold",)
        return [self.cell(layer, contract, day) for layer in layers]

    def worst(self, contract: FeedContract | GoldContract, day: date) -> Cell:
        """Return the cell that represents all layers of that day: the one with the worst state."""
        return max(self.cells(contract, day), key=lambda cell: cell.state.rank)

    def cell(self, layer: str, contract: FeedContract | GoldContract, day: date) -> Cell:
        run = self._run_log.runs.get((layer, contract.name, day))
        task = self._tasks.get((day, f"{layer}.{contract.name}"))
        ingest = self._tasks.get((day, f"raw.ingest_{contract.name}")) if layer == "raw" else None
        is_ingested = ingest is not None and ingest.state != "success"
        balance = self._run_log.balances.get((contract.name, day)) if layer == "silver" else None
        deadline = due(contract, day) if layer in ("silver", "gold") else None
        is_outdated = day in self._run_log.outdated.get((layer, contract.name), ())
        task = ingest if is_ingested else task
        cell = Cell(layer, contract.name, day, NONE, run, task, balance, deadline, is_outdated, is_ingested)
        return replace(cell, state=self._state(cell))

    def _state(self, cell: Cell) -> State:
        if (found := self._in_airflow(cell)) is not None:
            return found
        if cell.run is None:
            if cell.layer == "raw" and self._run_log.runs.get(("bronze", cell.name, cell.day)):
                return DONE
            if cell.day in self.missing:
                return MISSING
            return OVERDUE if cell.deadline and self._is_expected(cell.day) and self._now > cell.deadline else NONE
        if cell.balance and not cell.balance["is_closed"]:
            return UNBALANCED
        if cell.layer == "gold" and self._is_unpublished(cell.run, f"gold.{cell.name}"):
            return UNPUBLISHED
        return LATE if cell.is_due and cell.run["first_ended_at"] > cell.deadline else DONE

    def _in_airflow(self, cell: Cell) -> State | None:
        """Return the state of the task, unless the run log has a later success, for example of a replay."""
        if cell.task is None:
            return None
        state, ended = cell.task.state, cell.task.ended_at
        if state in ("failed", "upstream_failed") and not (cell.run and ended and cell.run["started_at"] > ended):
            return FAILED if state == "failed" else BLOCKED
        if state == "deferred":
            return WAITING if cell.layer == "raw" and not cell.is_ingested else RUNNING
        if state in _UNDER_WAY:
            return RUNNING
        return DONE if state == "success" and cell.layer == "raw" else None

    def _is_unpublished(self, run: Row, table: str) -> bool:
        """Return whether readers do not yet see the version that the run built.

        An audit blocks the table, or one of its sources is being changed.
        """
        built = run["versions_after"].get(table)
        return built is not None and bool(self._released) and built > self._released.get(table, -1)

    def _is_expected(self, day: date) -> bool:
        return self._first <= day <= max(self._last, self._newest_by_clock())

    def _newest_by_clock(self) -> date:
        return newest_by_clock(self._env, self._now)


def newest_by_clock(env: Environment, now: datetime) -> date:
    """Return the last ingestion date that the schedule has started a run for, if the DAG is not paused."""
    yesterday = now.date() - timedelta(days=1)
    return min(yesterday, env.schedule.last_date or yesterday)


def due(contract: FeedContract | GoldContract, day: date) -> datetime:
    """Return the moment by which the contract promises the day: `timeOfAvailability` on the next day, in UTC."""
    return datetime.combine(day + timedelta(days=1), contract.available_by, UTC)


def contract_of(layer: str, name: str) -> FeedContract | GoldContract | None:
    """Return the contract of a feed or GOLD table; None for an unknown layer or name."""
    known = gold_tables() if layer == "gold" else feeds() if layer in LAYERS else ()
    return next((contract for contract in known if contract.name == name), None)


def days_until(last: date, count: int) -> Iterator[date]:
    return (last - timedelta(days=ago) for ago in range(count - 1, -1, -1))


def spoken(span: timedelta) -> str:
    """Return the duration as text, for example `38 s`, `12 min`, `3 h 05` or `9 d`."""
    seconds = round(span.total_seconds())
    if seconds < 90:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 90:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02}" if hours < 48 else f"{days} d"
