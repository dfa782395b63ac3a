"""`./retailflow demo`: run whole days from the source systems to GOLD, with the production DAG, Airflow and Spark."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from retailflow.raw import RawStore
from retailflow_local import report
from retailflow_local.adventureworks import AdventureWorks
from retailflow_local.airflow import AirflowClient
from retailflow_local.console import console, steps
from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import cpu_seconds
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import World
from retailflow_local.state import Simulation
from retailflow_local.workspace import PROCESSES, Workspace

DAG_ID = "retailflow_daily"
LAYERS = ("raw", "bronze", "silver", "gold")
DONE = {"success", "failed", "upstream_failed", "skipped", "removed"}
_SAMPLE_SECONDS = 3


@dataclass
class Footprint:
    """The resources of the whole stack: its peak memory in MiB (shared pages count once) and the ids of its JVMs."""

    peak_mib: int = 0
    jvms: set[int] = field(default_factory=set)
    _next: float = 0

    def sample(self, workspace: Workspace) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SAMPLE_SECONDS
        total = 0
        for process in workspace.processes.members(PROCESSES):
            try:
                total += process.memory_full_info().pss
                if process.name() == "java":
                    self.jvms.add(process.pid)
            except psutil.Error:
                continue  # it ended meanwhile
        self.peak_mib = max(self.peak_mib, total // 2**20)


def _processor_time(workspace: Workspace) -> Counter[str]:
    """Return the CPU seconds of each process of the stack so far, including its children, ended ones too."""
    members = workspace.processes.members
    return Counter({name: cpu_seconds(*members([name])) for name in PROCESSES})


@dataclass(frozen=True)
class Demo:
    """The days to run, and the origin of their files: the simulator, or the public data set in `source`."""

    first: date
    days: int
    simulation: Simulation
    source: Path | None = None

    def run(self, workspace: Workspace) -> bool:
        """Start the workspace, run the days and print the result. Returns False if a day failed or a total differs."""
        began, footprint = time.monotonic(), Footprint()
        deliver = self._delivery()
        with steps() as on_step:
            started = workspace.start(simulation=self.simulation, on_step=on_step)
        try:
            ready, before = time.monotonic(), _processor_time(workspace)
            client = workspace.airflow_client()
            client.wait_for_dag(DAG_ID)
            runs = [
                _run_day(workspace, client, day, index == 0, deliver, footprint) for index, day in enumerate(self.dates)
            ]
            console.print(report.timing(runs, ready - began, time.monotonic() - ready, footprint))
            console.print(report.processor_time(_processor_time(workspace) - before))
            is_right = all(run.is_success for run in runs)
            if is_right:
                is_right = report.tables(workspace.spark_remote, self.dates, self.source)
            return is_right
        finally:
            with steps() as on_step:
                on_step("Stopping what was started", "")
                workspace.stop(started)

    @property
    def dates(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(self.days)]

    def _delivery(self) -> Callable[[RawStore, date, bool], list[str]]:
        if self.source:
            return AdventureWorks(self.source).deliver_day
        world = World(self.simulation.seed, self.simulation.scale)
        trouble = Trouble.some() if self.simulation.trouble == "some" else Trouble.none()

        def deliver(store: RawStore, day: date, first: bool) -> list[str]:
            manifests = deliver_day(store, world, day, trouble)
            return [f"{m.entity} {day}: {sum(file.records for file in m.files)} records" for m in manifests]

        return deliver


@dataclass(frozen=True)
class DayRun:
    """A finished DAG run. `tasks` are Airflow's task instances."""

    day: date
    state: str
    tasks: list[dict]

    @property
    def is_success(self) -> bool:
        return self.state == "success"


def _run_day(
    workspace: Workspace,
    client: AirflowClient,
    day: date,
    first: bool,
    deliver: Callable[[RawStore, date, bool], list[str]],
    footprint: Footprint,
) -> DayRun:
    with steps() as on_step:
        on_step(f"{day} delivered to RAW by the source systems", "")
        notes = deliver(workspace.raw_store(), day, first)
    for note in notes:
        console.print(f"  [dim]{note}[/dim]")
    # Airflow allows one run per logical date. The current time of day keeps a repeated run apart from the earlier one.
    run_id = client.trigger(DAG_ID, datetime.combine(day, datetime.now(UTC).time(), UTC))
    run = _watch(workspace, client, day, run_id, footprint)
    for task in run.tasks:
        if task["state"] == "failed":
            log = client.task_log(DAG_ID, run_id, task["task_id"], task["try_number"])
            console.print(f"[red]{task['task_id']} failed[/red]", *_last_lines(log), sep="\n  ", markup=True)
    return run


def _watch(workspace: Workspace, client: AirflowClient, day: date, run_id: str, footprint: Footprint) -> DayRun:
    columns = (TextColumn("  {task.description:7}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console.print(f"{day} [bold]{DAG_ID}[/bold] {run_id}")
    with Progress(*columns, console=console) as progress:
        bars = {layer: progress.add_task(layer, total=None) for layer in LAYERS}
        while True:
            state = client.dag_run(DAG_ID, run_id)["state"]
            tasks = client.task_instances(DAG_ID, run_id)
            for layer, bar in bars.items():
                own = [task for task in tasks if task["task_id"].startswith(f"{layer}.")]
                done = sum(task["state"] in DONE for task in own)
                progress.update(bar, total=len(own) or None, completed=done)
                if own and done == len(own):
                    progress.stop_task(bar)
            footprint.sample(workspace)
            if state in ("success", "failed"):
                return DayRun(day, state, tasks)
            if not workspace.processes.find("spark"):
                raise WorkspaceError(f"The Spark server ended; its log is {workspace.processes.log('spark')}.")
            time.sleep(3)  # each request costs the API server a tenth of a second of CPU


def _last_lines(log: str) -> Iterable[str]:
    return [line for line in log.splitlines() if line.strip()][-8:]
