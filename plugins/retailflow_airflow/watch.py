"""The work of `retailflow_watch`: compares tables with their deadlines, finds missing days, and mails both."""

import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference, Variable

from retailflow.contracts import feeds, gold_tables
from retailflow.environments import Environment, load_environment
from retailflow_airflow import late_day, mail, missing
from retailflow_airflow.incident import Event, Facts, RunLog, collect, culprit, facts_of
from retailflow_airflow.incident.culprit import DAILY
from retailflow_airflow.late_day import Answer
from retailflow_airflow.macros import parsed_date
from retailflow_airflow.missing import REMEMBERED
from retailflow_airflow.schedule import logical_dates, starts_at
from retailflow_airflow.unmailed import FailedRun, FailedTask, not_mailed, pulled
from retailflow_airflow.warehouse import Warehouse

_OPEN_DAYS = 7  # how long the watch waits for a table that has missed its deadline
_KEPT_DAYS = 30
_WATCH_IS_LATE = """<p>A run of <b>retailflow_watch</b> was queued and has not ended in time.
Until one does, no missed deadline is reported, and probably no task runs.</p>
<p>Check whether Airflow's executor and its workers are alive, and whether the pool has free slots.
Nothing needs to be cleared: the next run reports what was missed.</p>"""
_SUCCESS = "success"
_AT_WORK = {"scheduled", "queued", "running", "restarting", "deferred"}
_NOTED = ("error", "databricks_url", "try_number", "cause")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deadline:
    """The moment by which a table's rows of an ingestion date are promised."""

    table: str
    ingestion_date: date
    at: datetime


@dataclass(frozen=True)
class Day:
    """The run of a date in Airflow, its task states, and the tables in the run log. Without a run: None, no states."""

    run_id: str | None
    states: Mapping[str, str | None]
    in_run_log: frozenset[str] = frozenset()

    def has(self, table: str) -> bool:
        """Return whether the table's task succeeded, or another run, for example a replay, made the table."""
        return self.states.get(table) == _SUCCESS or table in self.in_run_log

    @property
    def waiting_to_be_read(self) -> int:
        """The number of GOLD tables that are built while the run waits for a feed or for the retry of a failed task.

        It is 0 while a task of a table runs, and after the run has reached its own publication.
        """
        made = {task: state for task, state in self.states.items() if task.startswith(("bronze.", "silver.", "gold."))}
        if self.states.get("gold.publish") or set(made.values()) & _AT_WORK:
            return 0
        return sum(state == _SUCCESS for task, state in made.items() if task.startswith("gold."))

    def has_task(self, table: str) -> bool:
        """Return whether the run, if there is one, has a task for the table: its contract may be newer than the run."""
        return self.run_id is None or table in self.states

    def culprit(self, table: str) -> str | None:
        """Return the task that delays the table; None if there is no run."""
        return culprit(self.states, table) if self.run_id else None


def deadlines(day: date) -> list[Deadline]:
    """Return the deadlines of SILVER and GOLD for an ingestion date, earliest first.

    A deadline is the contract's `timeOfAvailability`, in UTC, on the day after.
    """
    found = [
        Deadline(contract.tables[-1].name, day, datetime.combine(day + timedelta(days=1), contract.available_by, UTC))
        for contract in (*feeds(), *gold_tables())
    ]
    return sorted(found, key=lambda one: (one.at, one.table))


def own_deadline(env: Environment, after: timedelta = timedelta(minutes=15)) -> DeadlineAlert | None:
    """Return an alert that the triggerer mails if a run of the watch itself has not ended.

    In that case no worker can report anything. Returns None under `airflow dags test`, because Airflow 3.3 cannot end
    that command for a DAG with a deadline.
    """
    if sys.argv[1:3] == ["dags", "test"]:
        return None
    kwargs = {
        "to": list(env.alert_addresses),
        "subject": f"[retailflow {env.name}] MISSED The watch itself has not ended",
        "html_content": _WATCH_IS_LATE,
    }
    callback = AsyncCallback(SmtpNotifier, kwargs)
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, after, callback)


def check_deadlines(environment: str, ti: Any = None, params: Mapping[str, Any] | None = None) -> bool:
    """Sends one mail each for failed tasks that could not send theirs, missed deadlines, missing days, and recoveries.

    Returns: whether a waiting daily run has built tables that are not published yet; `publish` runs then.

    - **Reads** the runs of `retailflow_daily` and the states of their tasks, and the run log; **writes** the Variable
      `retailflow_watch`, which says what was mailed and published.
    - **Safe to clear**: always.
    - **Where to look**: this task's log says what is late.
    """
    env, now = load_environment(environment), datetime.now(UTC)
    chosen = (params or {}).get("ingestion_date")
    yesterday = now.date() - timedelta(days=1)
    day = parsed_date("ingestion_date", chosen) if chosen else yesterday
    mailed, is_unpublished = _Mailed(), False
    post = _Post(env, ti, RunLog(Warehouse(env)), mailed.since)
    for when in sorted(mailed.days_still_open(now.date()) | ({day} if chosen or env.schedule.has(day) else set())):
        due = [one for one in deadlines(when) if one.at + mailed.delay(when) <= now]
        missed = [one for one in deadlines(when) if mailed.event(one) is Event.MISSED]
        found = post.day(when)
        absent = [one.table for one in (*due, *missed) if not found.has(one.table)]
        known = mailed.answer(when)
        if chosen:  # a person triggered the check, so it asks the run log again
            known = replace(known, asked_at=None)
        answer = late_day.ask(ti, post.run_log, when, absent, known, now)
        mailed.remember_answer(when, answer)
        found = replace(found, in_run_log=answer.made)
        if found.run_id and mailed.is_unstarted(when):
            mailed.remember_start(when, now - starts_at(env.schedule, when))
            due = [one for one in due if one.at + mailed.delay(when) <= now]
        if found.run_id:
            run = replace(FailedRun.read(DAILY, found.run_id), ingestion_date=when.isoformat())
            post.send_failed(run, found.states)
        late = [one for one in due if not found.has(one.table) and found.has_task(one.table)]
        _log.info("%s: %d of %d tables that are due are late. %s", when, len(late), len(due), found.run_id or "No run.")
        by_culprit = defaultdict(list)
        for one in late:
            if mailed.event(one) is None:
                by_culprit[found.culprit(one.table)].append(one)
        for group in by_culprit.values():
            if not post.has_mailed(found, group[0].table):
                post.send(Event.MISSED, group, found)
            mailed.remember(Event.MISSED, group, is_unstarted=found.run_id is None)
        if back := [one for one in missed if found.has(one.table)]:
            post.send(Event.RECOVERED, back, found)
            mailed.remember(Event.RECOVERED, back)
        if found.run_id and found.waiting_to_be_read > mailed.published.get(found.run_id, 0):
            mailed.remember_published(found.run_id, found.waiting_to_be_read)
            is_unpublished = True
    for run in FailedRun.open():
        states = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
        post.send_failed(run, states.get(run.run_id, {}))
    post.send_shared()
    if env.schedule.has(yesterday):  # otherwise the schedule has ended, as on a laptop: see missing.py
        last = yesterday if deadlines(yesterday)[-1].at <= now else yesterday - timedelta(days=1)
        found = missing.search(env.schedule, last, mailed.days, ti, post.run_log)
        post.send_days(Event.MISSED, found.missing)
        post.send_days(Event.RECOVERED, found.filled)
        mailed.remember_days(found.known)
    return is_unpublished


@dataclass(frozen=True)
class _Post:
    """Asks Airflow and the run log, and sends mails."""

    env: Environment
    ti: Any
    run_log: RunLog
    since: str
    # Failed tasks with a shared cause that nobody has mailed, by the cause; and the states to save after their mails.
    _shared: dict[str, list[tuple[FailedRun, FailedTask]]] = field(default_factory=lambda: defaultdict(list))
    _known: list[FailedRun] = field(default_factory=list)
    _asked: set[tuple[str, str]] = field(default_factory=set)

    def day(self, day: date) -> Day:
        """Return the run of the date that has the most successful tasks: scheduled, backfilled or triggered."""
        runs = self.ti.get_task_states(dag_id=DAILY, logical_dates=logical_dates(self.env.schedule, day))
        run_id, states = max(runs.items(), key=lambda run: list(run[1].values()).count(_SUCCESS), default=(None, {}))
        return Day(run_id, states)

    def send(self, event: Event, group: list[Deadline], found: Day) -> None:
        """Send one mail for the group. Its subject names the first table."""
        first, *others = group
        facts = facts_of(
            event,
            first.table,
            first.ingestion_date,
            found.run_id,
            found.states,
            lambda task_id: pulled(self.ti, FailedRun(DAILY, found.run_id, ""), FailedTask(task_id, -1)),
            deadline=first.at,
            also=tuple(one.table for one in others),
        )
        card = collect(facts, self.env, self.run_log)
        mail.send(card, self.env, f"{event} {first.table} {first.ingestion_date} {self.since}")

    def has_mailed(self, found: Day, table: str) -> bool:
        """Return whether the failure that delays the table was mailed, or will be mailed by `send_shared`.

        The card of the failure names the tables that are built from it.
        """
        task_id = found.culprit(table)
        if task_id is None or found.states.get(task_id) != "failed":
            return False
        waiting = (pair for pairs in self._shared.values() for pair in pairs)
        if any((run.run_id, task.task_id) == (found.run_id, task_id) for run, task in waiting):
            return True
        run, task = FailedRun.read(DAILY, found.run_id), FailedTask(task_id, -1)
        return task_id in run.mailed or bool(pulled(self.ti, run, task).get("is_mailed"))

    def send_failed(self, run: FailedRun, states: Mapping[str, str | None]) -> None:
        """Send one mail for the failed tasks of a run that nobody has mailed; send nothing if there are none.

        Tasks whose cause other runs share wait for `send_shared`.
        """
        if (run.dag_id, run.run_id) in self._asked:
            return
        self._asked.add((run.dag_id, run.run_id))
        found, known = not_mailed(self.ti, run, states)
        for one in found:
            if cause := one.note.get("cause"):
                self._shared[cause].append((run, one))
        own = [(run, one) for one in found if not one.note.get("cause")]
        if own:
            self._send(own)
        if len(own) < len(found):
            self._known.append(known)
        elif known != run:
            known.write()

    def send_shared(self) -> None:
        """Send one mail for each shared cause, for the tasks of all runs."""
        for found in self._shared.values():
            self._send(found)
        for known in self._known:
            known.write()

    def _send(self, found: list[tuple[FailedRun, FailedTask]]) -> None:
        (run, first), *others = found
        facts = Facts(
            event=Event.FAILED,
            subject=run.subject(first),
            ingestion_date=date.fromisoformat(run.ingestion_date) if run.ingestion_date else None,
            dag_id=run.dag_id,
            run_id=run.run_id,
            task_id=first.task_id,
            map_index=first.map_index,
            state="failed",
            also=tuple(whose.subject(one) for whose, one in others),
            **{name: first.note[name] for name in _NOTED if name in first.note},
        )
        names = " ".join(f"{whose.run_id} {whose.clears} {one.name}" for whose, one in found)
        mail.send(collect(facts, self.env, self.run_log), self.env, f"failed {names}")

    def send_days(self, event: Event, days: list[date]) -> None:
        """Send one mail for these days; send nothing if there are none."""
        if days:
            facts = Facts(event, DAILY, days[0], DAILY, days=tuple(days))
            mail.send(collect(facts, self.env, None), self.env, f"{event} {','.join(map(str, days))} {self.since}")


class _Mailed:
    """The sent mails, by ingestion date and table, in an Airflow Variable: it outlives runs, restarts and DAG edits.

    Only `retailflow_watch` writes it, one run at a time, after each mail. It keeps only the dates that were mailed
    last. Further keys:

    - `days`: the state of scheduled days (see missing.py).
    - `published`: the number of tables of a run whose publication the watch has triggered.
    - `delays`: the seconds by which a day started late that was mailed as not started; None before it started.
    - `answers`: the last answer of the run log about a day with late tables.
    - `since`: the moment when the Variable was created. If somebody deletes the Variable, the watch mails everything
      again, with other message ids.
    """

    def __init__(self) -> None:
        self._events: dict[str, dict[str, str]] = Variable.get(REMEMBERED, default={}, deserialize_json=True)
        self.days = missing.Known.read(self._events.pop("days", {}))
        self.published: dict[str, int] = self._events.pop("published", {})
        self._delays: dict[str, float | None] = self._events.pop("delays", {})
        self._answers: dict[str, dict[str, Any]] = self._events.pop("answers", {})
        self.since: str = self._events.pop("since", "")
        if not self.since:
            self.since = datetime.now(UTC).isoformat(timespec="seconds")
            self._write()

    def event(self, deadline: Deadline) -> Event | None:
        found = self._events.get(deadline.ingestion_date.isoformat(), {}).get(deadline.table)
        return Event(found) if found else None

    def days_still_open(self, today: date) -> set[date]:
        """Return the recent ingestion dates with a missed deadline that has not recovered."""
        missed = {date.fromisoformat(day) for day, events in self._events.items() if Event.MISSED in events.values()}
        return {day for day in missed if day >= today - timedelta(days=_OPEN_DAYS)}

    def is_unstarted(self, day: date) -> bool:
        """Return whether a mail has reported that the day has no run, and no run was seen since."""
        return self._delays.get(day.isoformat(), 0) is None

    def delay(self, day: date) -> timedelta:
        """Return how late the day started, if that was mailed. The deadlines of its other tables move by this delay."""
        return timedelta(seconds=self._delays.get(day.isoformat()) or 0)

    def answer(self, day: date) -> Answer:
        return Answer.read(self._answers.get(day.isoformat()))

    def remember_answer(self, day: date, answer: Answer) -> None:
        if answer != self.answer(day):
            self._answers = dict(list({**self._answers, day.isoformat(): answer.kept}.items())[-_KEPT_DAYS:])
            self._write()

    def remember(self, event: Event, group: Iterable[Deadline], *, is_unstarted: bool = False) -> None:
        for one in group:
            day = one.ingestion_date.isoformat()
            self._events[day] = {**self._events.pop(day, {}), one.table: event.value}
            if is_unstarted:
                self._delays[day] = None
        self._events = dict(list(self._events.items())[-_KEPT_DAYS:])
        self._write()

    def remember_start(self, day: date, delay: timedelta) -> None:
        self._delays[day.isoformat()] = delay.total_seconds()
        self._delays = dict(list(self._delays.items())[-_KEPT_DAYS:])
        self._write()

    def remember_days(self, known: missing.Known) -> None:
        if known != self.days:
            self.days = known
            self._write()

    def remember_published(self, run_id: str, tables: int) -> None:
        self.published = dict(list({**self.published, run_id: tables}.items())[-_KEPT_DAYS:])
        self._write()

    def _write(self) -> None:
        kept = {**self._events, "days": self.days.kept, "published": self.published}
        kept |= {"delays": self._delays, "answers": self._answers, "since": self.since}
        Variable.set(REMEMBERED, kept, serialize_json=True)
