"""`./retailflow drill`: break things in fourteen ways, one after the other. An e-mail reports each failure, and the
drill repairs it by what the e-mail says, and by nothing else.

The drill plays two parts: the source, which delivers again on request, and on-call, who reads the card and runs its
command or presses the button that it names. It has a workspace and a small world of its own.
"""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from rich.table import Table

from retailflow_local import airflow
from retailflow_local.console import console, steps
from retailflow_local.errors import WorkspaceError
from retailflow_local.mail_sink.mailbox import Mailbox, body
from retailflow_local.simulator.world import World
from retailflow_local.spark_client import session
from retailflow_local.state import Simulation
from retailflow_local.workspace import Workspace

DAILY, WATCH = "retailflow_daily", "retailflow_watch"
FIRST = date(2026, 1, 15)
SEED, SCALE = 7, 0.02
_PATIENCE_SECONDS = 900
_LINK = re.compile(r"/dags/(?P<dag>[\w.-]+)(/runs/(?P<run>[^/\s]+)/tasks/(?P<task>[\w.-]+))?")
_OPEN_DATES = "SELECT name, ingestion_date FROM spark_catalog.ops.row_reconciliation_latest WHERE NOT is_closed"


@dataclass(frozen=True)
class Card:
    """The parts of the e-mail that on-call reads: the safe action, its command if there is one, and the task's link."""

    subject: str
    action: str
    command: str
    dag_id: str
    run_id: str | None
    task_id: str | None

    @classmethod
    def read(cls, subject: str, text: str) -> "Card":
        safe = text.partition("\nSafe now\n")[2].split("\n\n")
        command = safe[1].strip() if len(safe) > 1 and safe[1].startswith("    ") else ""
        link = _LINK.search(text.partition("\nAirflow ")[2])
        if not safe[0] or link is None:
            raise WorkspaceError(f"The e-mail {subject!r} does not say what is safe now, or where:\n{text}")
        run_id = link["run"] and unquote(link["run"])
        return cls(subject, safe[0].strip(), command, link["dag"], run_id, link["task"])


@dataclass(frozen=True)
class Case:
    """One failure. `mails` are the beginnings of the subjects; `source` is the source's part of the repair.

    `is_well` returns whether the tables are right again. On-call may get at most `most_mails` e-mails about it.
    """

    name: str
    strike: Callable[["Drill"], None]
    mails: tuple[str, ...]
    is_well: Callable[["Drill"], bool]
    source: Callable[["Drill"], None] | None = None
    most_mails: int | None = None


@dataclass
class Drill:
    """The tools of the cases: the workspace, the world of the sources, and the mailbox of on-call."""

    workspace: Workspace
    world: World = field(default_factory=lambda: World(SEED, SCALE))
    bad: str = ""  # the batch that a case has broken
    struck_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)  # when the last part of a case began
    _read: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.client = self.workspace.airflow_client()
        self.raw = self.workspace.raw_store()
        self.mailbox = Mailbox(self.workspace.root / "mail")

    def trigger_day(self, day: date) -> str:
        """Trigger the daily run of that logical date, by which the watch finds it. Returns the run's id."""
        return self.client.trigger(DAILY, datetime.combine(day, datetime.min.time(), UTC))

    def watch(self, day: date) -> None:
        """Run the watch for a day. Where history is not simulated, the schedule does this every five minutes."""
        run_id = self.client.trigger(WATCH, datetime.now(UTC), {"ingestion_date": str(day)})
        self.wait(lambda: self.client.dag_run(WATCH, run_id)["state"] == "success", f"{WATCH} for {day}")

    def run_of(self, day: date) -> str:
        """Return the id of the newest daily run for the date, which is in its conf or its logical date."""
        runs = self.client.dag_runs(DAILY, "manual")
        own = [run for run in runs if str(day) in (run["conf"].get("ingestion_date"), (run["logical_date"] or "")[:10])]
        return max(own, key=lambda run: run["queued_at"])["dag_run_id"]

    def tasks(self, day: date) -> list[dict]:
        """Return Airflow's task instances of the day's run."""
        return self.client.task_instances(DAILY, self.run_of(day))

    def task(self, day: date, task_id: str) -> dict:
        return next(task for task in self.tasks(day) if task["task_id"] == task_id)

    def states(self, day: date) -> dict[str, str]:
        return {task["task_id"]: task["state"] for task in self.tasks(day)}

    def clear(self, day: date, task_id: str) -> None:
        self.client.clear(DAILY, self.run_of(day), task_id)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise WorkspaceError(f"Waited {_PATIENCE_SECONDS} s in vain for: {what}.")
            time.sleep(2)

    def mail(self, beginning: str) -> Card:
        """Wait for the next unread e-mail whose subject, after the environment's name, begins like that."""
        found: list[int] = []

        def came() -> bool:
            for number in self.mailbox.numbers():
                subject = self.mailbox.message(number)["Subject"]
                if number not in self._read and subject.partition("] ")[2].startswith(beginning):
                    found.append(number)
                    return True
            return False

        self.wait(came, f"an e-mail {beginning!r}")
        self._read.add(found[0])
        message = self.mailbox.message(found[0])
        return Card.read(message["Subject"], body(message, "plain"))

    def follow(self, card: Card) -> None:
        """Do what the card says, and nothing else."""
        if card.command.startswith("./retailflow airflow "):
            command = airflow.command(*shlex.split(card.command)[2:])
            done = subprocess.run(
                command, env=self.workspace.environment(), capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise WorkspaceError(f"The card's command failed: {card.command}\n{done.stderr[-2000:]}")
        elif "clear what has failed" in card.action and card.run_id:
            # A person is slower than the scheduler, which still has to mark the tasks after a failed one.
            run = card.dag_id, card.run_id
            self.wait(lambda: self.client.dag_run(*run)["state"] == "failed", f"{card.run_id} to end")
            self.client.clear_failed(*run)
        elif card.action.startswith("Clear bronze and silver") and card.run_id and card.task_id:
            self.client.clear(card.dag_id, card.run_id, card.task_id.replace("silver.", "bronze."))
        elif re.search(r"\b[Cc]lear\b", card.action) and card.run_id and card.task_id:
            state = {t["task_id"]: t["state"] for t in self.client.task_instances(card.dag_id, card.run_id)}[
                card.task_id
            ]
            if not (card.task_id.startswith("raw.") and state == "deferred"):  # "a task that waits goes on by itself"
                self.client.clear(card.dag_id, card.run_id, card.task_id)

    def play(self, case: Case) -> tuple[float, float]:
        """Run a case. Returns the seconds to the first e-mail, and from there to the end of the repair."""
        began, before = time.monotonic(), len(self.mailbox.numbers())
        case.strike(self)
        cards = [self.mail(beginning) for beginning in case.mails[:1]]
        mailed = time.monotonic()
        cards += [self.mail(beginning) for beginning in case.mails[1:]]
        if case.most_mails and len(self.mailbox.numbers()) > before + case.most_mails:
            subjects = [self.mailbox.message(number)["Subject"] for number in self.mailbox.numbers()[before:]]
            raise WorkspaceError(f"More mails than {case.most_mails} about one cause:\n" + "\n".join(subjects))
        if case.source:
            case.source(self)
        for card in cards:
            console.print(f"  [dim]{card.subject}: {card.action} {card.command}[/dim]", soft_wrap=True, markup=True)
            self.follow(card)
        self.wait(lambda: case.is_well(self), f"all well after {case.name}")
        return mailed - began, time.monotonic() - mailed

    def open_dates(self) -> list[str]:
        """Return the feeds and dates whose balance is not closed."""
        with session(self.workspace.spark_remote) as spark:
            return [f"{row.name} {row.ingestion_date}" for row in spark.sql(_OPEN_DATES).collect()]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def run(root: Path, cases: Iterable[Case]) -> bool:
    """Run all cases, then the tests of the live tables. Returns False if a test fails or a balance is not closed."""
    workspace, table = Workspace(root), Table("what broke", "to e-mail", "to repair")
    with steps() as on_step:
        if root.exists():  # the last drill kept its logs and tables; Airflow would refuse new runs as duplicates
            on_step("Removing the last drill's workspace", "")
            workspace.stop()
            shutil.rmtree(root)
        workspace.start(simulation=Simulation(SEED, SCALE, "none"), on_step=on_step)
    try:
        drill = Drill(workspace)
        for dag in (DAILY, WATCH, "retailflow_replay", "retailflow_data_tests"):
            drill.client.wait_for_dag(dag)
        for number, case in enumerate(cases, 1):
            console.print(f"[bold]{number}. {case.name}[/bold]")
            to_mail, to_repair = drill.play(case)
            console.print(f"  {to_mail:.0f} s to the e-mail, {to_repair:.0f} s to the repair")
            table.add_row(case.name, f"{to_mail:.0f} s", f"{to_repair:.0f} s")
        run_id = drill.client.trigger("retailflow_data_tests", datetime.now(UTC))
        ended = lambda: drill.client.dag_run("retailflow_data_tests", run_id)["state"]  # noqa: E731
        drill.wait(lambda: ended() in ("success", "failed"), "the tests of the live tables")
        open_dates = drill.open_dates()
        console.print(table)
        console.print(
            f"Tests of the live tables: {ended()}. Dates not accounted for: {', '.join(open_dates) or 'none'}."
        )
        return ended() == "success" and not open_dates
    finally:
        with steps() as on_step:
            on_step("Stopping the drill's workspace", "")
            workspace.stop()
