"""What a card says, as plain values."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum


class Event(StrEnum):
    """What happened. The value is the word that people read."""

    FAILED = "failed"
    MISSED = "missed"
    RECOVERED = "recovered"
    SHOWN = "state"  # nothing did: somebody asked


class Kind(StrEnum):
    """What kind of failure it is: each has advice of its own, and a runbook."""

    WRONG_FORM = "wrong_form"
    LATE_FEED = "late_feed"
    SOURCE_API = "source_api"
    REFUSED = "refused"  # by storage or Databricks: our credential, our rights, the network
    BAD_BATCH = "bad_batch"
    DRIFT = "drift"
    QUALITY_GATE = "quality_gate"
    PLATFORM = "platform"  # Databricks does not answer, or takes no work
    DATABRICKS_FAILURE = "databricks_failure"  # of a job, by itself
    LOST_WORKER = "lost_worker"
    STUCK_RUN = "stuck_run"
    WRONG_NUMBERS = "wrong_numbers"
    DATA_TEST = "data_test"
    DBT_MODEL = "dbt_model"
    ERASURE = "erasure"
    MISSING_DAYS = "missing_days"

    @property
    def is_shared(self) -> bool:
        """Whether one cause makes many tasks fail like that."""
        return self in (Kind.PLATFORM, Kind.REFUSED)

    @property
    def runbook(self) -> str:
        """The page about it, below docs."""
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
    """What Airflow knows: where an incident begins.

    `subject` is a table (`silver.orders`), or the task where there is none. `task_id` is the task to look at: its own,
    or what it waits for; None where there is no run. `error` is an exception's whole text.
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
    also: tuple[str, ...] = ()  # tables that missed their deadline by the same cause
    days: tuple[date, ...] = ()  # in order, those without a finished run: the first is the ingestion_date
    databricks_url: str | None = None
    cause: str = ""  # what it shares with failures of other runs: see causes.py

    @property
    def is_open(self) -> bool:
        """Whether there is something to do."""
        return self.event is not Event.RECOVERED and (self.state != "success" or bool(self.error))

    @property
    def when(self) -> str:
        """The ingestion date, or the first and the last of several; empty where there is none."""
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
    """The first and the last of each row of days that follow each other."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def listed(days: Iterable[date]) -> str:
    """Such as `2026-01-15 to 2026-01-16, 2026-01-20`."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges(days))


def describe(days: Collection[date]) -> str:
    """The sentence about days that are missing, without its full stop."""
    count = "1 scheduled day has" if len(days) == 1 else f"{len(days)} scheduled days have"
    return f"{count} no finished run: {listed(days)}"


@dataclass(frozen=True)
class Count:
    """Rows of the day beside the median of the days before. None where there was no run of that day."""

    layer: str
    what: str
    today: int | None
    usual: int | None


@dataclass(frozen=True)
class Downstream:
    """A table that is built from the subject: the last date that a run made it for, and when readers last got it."""

    name: str
    last_date: date | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class Incident:
    """`unknown` says, in a sentence, which part could not be found out; empty where all is known."""

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
