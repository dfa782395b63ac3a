"""The content of a card, as plain values."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum


class Event(StrEnum):
    """What happened. The value is the word in the mail's subject."""

    FAILED = "failed"
    MISSED = "missed"
    RECOVERED = "recovered"
    SHOWN = "state"  # nothing happened: somebody asked for the card


class Kind(StrEnum):
    """The kind of a failure. Each kind has its own advice and a runbook."""

    WRONG_FORM = "wrong_form"
    LATE_FEED = "late_feed"
    SOURCE_API = "source_api"
    REFUSED = "refused"  # storage or Databricks refuses our credential or rights, or cannot be reached
    BAD_BATCH = "bad_batch"
    DRIFT = "drift"
    QUALITY_GATE = "quality_gate"
    PLATFORM = "platform"  # Databricks does not answer, or accepts no work
    DATABRICKS_FAILURE = "databricks_failure"  # a single job failed
    LOST_WORKER = "lost_worker"
    STUCK_RUN = "stuck_run"
    WRONG_NUMBERS = "wrong_numbers"
    DATA_TEST = "data_test"
    DBT_MODEL = "dbt_model"
    ERASURE = "erasure"
    MISSING_DAYS = "missing_days"

    @property
    def is_shared(self) -> bool:
        """Whether one cause makes many tasks fail in this way."""
        return self in (Kind.PLATFORM, Kind.REFUSED)

    @property
    def runbook(self) -> str:
        """The path of its runbook, below docs."""
        return _RUNBOOKS.get(self, f"runbooks/{self}.md")


_RUNBOOKS = {
    Kind.WRONG_FORM: "runbooks/README.md",
    Kind.SOURCE_API: "runbooks/late_feed.md",
    Kind.REFUSED: "runbooks/databricks_failure.md",
    Kind.PLATFORM: "runbooks/databricks_failure.md",
    Kind.LOST_WORKER: "runbooks/stuck_run.md",
    Kind.DATA_TEST: "runbooks/wrong_numbers.md",
    Kind.DBT_MODEL: "DBT.md",
    Kind.ERASURE: "runbooks/erase_a_customer.md",
    Kind.MISSING_DAYS: "runbooks/backfill_a_month.md",
}


@dataclass(frozen=True)
class Facts:
    """The facts that Airflow knows about an incident.

    `subject` is a table (`silver.orders`), or the task if there is no table. `task_id` is the task to look at: the
    subject's own task, or the task that it waits for; None if there is no run. `error` is an exception's whole text.
    """

    event: Event
    subject: str
    ingestion_date: date | None
    dag_id: str
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    state: str | None = None
    try_number: int | None = None
    error: str = ""
    deadline: datetime | None = None
    also: tuple[str, ...] = ()  # tables that missed their deadline for the same cause
    days: tuple[date, ...] = ()  # days without a finished run, in order: the first is the ingestion_date
    databricks_url: str | None = None
    cause: str = ""  # the cause that it shares with failures of other runs: see causes.py

    @property
    def is_open(self) -> bool:
        """Whether there is something to do."""
        return self.event is not Event.RECOVERED and (self.state != "success" or bool(self.error))

    @property
    def when(self) -> str:
        """The ingestion date, or the first and the last of several dates; empty if there is no date."""
        if len(self.days) > 1:
            return f"{self.days[0]} to {self.days[-1]} ({len(self.days)} days)"
        return str(self.ingestion_date or "")

    @property
    def layer(self) -> str:
        return self.subject.partition(".")[0]

    @property
    def name(self) -> str:
        return self.subject.partition(".")[2]


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Return the first and the last day of each range of consecutive days."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def listed(days: Iterable[date]) -> str:
    """Return the days as text, for example `2026-01-15 to 2026-01-16, 2026-01-20`."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges(days))


def describe(days: Collection[date]) -> str:
    """Return a sentence about missing days, without its full stop."""
    count = "1 scheduled day has" if len(days) == 1 else f"{len(days)} scheduled days have"
    return f"{count} no finished run: {listed(days)}"


@dataclass(frozen=True)
class Count:
    """The rows of a layer on the day, and the median of the days before. None if there was no run."""

    layer: str
    what: str
    today: int | None
    usual: int | None


@dataclass(frozen=True)
class Downstream:
    """A table that is built from the subject, its newest ingestion date, and the time of its last publication."""

    name: str
    last_date: date | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class Incident:
    """The whole card. `unknown` is a sentence that names the parts that are not known; empty if all are known."""

    facts: Facts
    environment: str
    owner: str
    kind: Kind
    error: str
    action: str
    command: str
    airflow_url: str
    runbook_url: str
    counts: tuple[Count, ...] = ()
    changes: tuple[str, ...] = ()
    downstream: tuple[Downstream, ...] = ()
    unknown: str = field(default="")
