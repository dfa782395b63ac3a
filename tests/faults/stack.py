"""Kill parts of a whole stack at a point of a replay, and compare the tables with those of clean runs."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psutil
import requests
from pipeline import empty_catalog

from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace
from retailflow_spark.delta.writer import Tables

from .lab import Job, Lab, Rows, wait_for
from .matrix import Cell, Matrix

DAG = "retailflow_replay"
JOBS = [Job("bronze", "payments"), Job("silver", "payments")]


class FaultyWorkspace(Workspace):
    """A workspace whose Jobs API loses answers on request."""

    def command(self, name, *arguments):
        command, environment = super().command(name, *arguments)
        return (*command, *(("--faults",) if name == "jobs" else ())), environment


@dataclass(frozen=True)
class Fault:
    """A fault of the stack. `strike` is called while the Databricks run of `task` is active.

    If `is_early`, it is called while the run of the task before is active.
    """

    name: str
    task: str
    strike: Callable[["Stack", str], None]
    is_early: bool = False


class Stack:
    """Replays single days of payments through Airflow, each with one fault."""

    def __init__(self, workspace: Workspace, matrix: Matrix) -> None:
        self.workspace, self.matrix = workspace, matrix
        self.airflow = workspace.airflow_client()
        self.airflow.wait_for_dag(DAG)
        self.raw = workspace.raw_store()
        self.raw.root = "abfs://raw@devstoreaccount1.dfs.core.windows.net"

    @contextmanager
    def lab(self) -> Iterator[Lab]:
        """Yield a lab with a new session: the previous session may have died with its server."""
        with session(self.workspace.spark_remote) as spark:
            yield Lab(self.workspace, Tables(spark, "spark_catalog"), self.raw, self.matrix)

    def clean(self, days: list[date]) -> list[Rows]:
        """Return the rows of the tables after clean runs up to each day, and empty the tables again."""
        with self.lab() as lab:
            rows = [{name: held for job in JOBS for name, held in lab.clean(job, day).items()} for day in days]
            empty_catalog(lab.tables.spark)
        return rows

    def cell(self, fault: Fault, day: date, wanted: Rows) -> Cell:
        """Replay a day with the fault and the usual retries, and compare. Return the cell of the matrix."""
        conf = {"date_from": str(day), "date_to": str(day), "feeds": ["payments"], "layers": ["bronze", "silver"]}
        run_id = self.airflow.trigger(DAG, datetime.now(UTC), conf | {"selection": "range", "dry_run": False})
        before = {"bronze.feed": "plan", "silver.feed": "bronze.feed"}
        self.wait_for_work(before[fault.task] if fault.is_early else fault.task)
        fault.strike(self, run_id)
        wait_for(lambda: self.airflow.dag_run(DAG, run_id)["state"] in ("success", "failed"), 600, every=1)
        states = {task["task_id"]: task["state"] for task in self.airflow.task_instances(DAG, run_id)}
        assert {states["bronze.feed"], states["silver.feed"]} == {"success"}, (fault, states)
        left = [run["run_name"] for run in self.runs(active_only=True)]
        self.matrix.left += [f"{fault.name}, {fault.task}: {name}" for name in left]
        wait_for(lambda: not self.runs(active_only=True), 120)
        with self.lab() as lab:
            found = {name: held for job in JOBS for name, held in lab.rows(job.tables).items()}
            opened = lab.open_balances("payments")
        lost = sum((wanted[name] - found[name]).total() for name in wanted) + opened
        doubled = sum((found[name] - wanted[name]).total() for name in wanted)
        runs = Counter(run["run_name"] for run in self.runs() if str(day) in run["run_name"])
        more = sum(count - 1 for count in runs.values())
        return self.matrix.add(Cell("stack", fault.task.replace("feed", "payments"), fault.name, lost, doubled, more))

    def wait_for_work(self, task_id: str) -> None:
        """Wait until a Databricks run of the task is active."""

        def works() -> bool:
            active = self.runs(active_only=True)
            return any(f"/{task_id}/" in r["run_name"] and r["state"]["life_cycle_state"] == "RUNNING" for r in active)

        wait_for(works, 180)

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Return the latest 25 Databricks runs."""
        answer = requests.get(
            f"{self.workspace.jobs_url}/api/2.2/jobs/runs/list",
            params={"limit": 25, **{name: str(value).lower() for name, value in filters.items()}},
            headers={"Authorization": f"Bearer {self.workspace.jobs_token}"},
            timeout=20,
        )
        return answer.json()["runs"]


def killed(name: str) -> Callable[[Stack, str], None]:
    """Return a strike that kills this process of the workspace with kill -9, and starts it again."""

    def strike(stack: Stack, _: str) -> None:
        if name == "azurite":
            time.sleep(6)  # it writes its metadata every 5 seconds; a kill before that would lose RAW itself
        process = stack.workspace.processes.find(name)
        process.kill()
        process.wait(10)
        stack.workspace.start()

    return strike


def paused(name: str, seconds: float) -> Callable[[Stack, str], None]:
    def strike(stack: Stack, _: str) -> None:
        process = stack.workspace.processes.find(name)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    return strike


def answer_lost(stack: Stack, _: str) -> None:
    """Let the next submit succeed, but answer it with an error."""
    answer = requests.post(
        f"{stack.workspace.jobs_url}/_faults",
        json={"path": "/runs/submit", "status": 503, "drop_response": True},
        headers={"Authorization": f"Bearer {stack.workspace.jobs_token}"},
        timeout=20,
    )
    assert answer.ok, answer.text


def task_process_killed(task_id: str) -> Callable[[Stack, str], None]:
    """Return a strike that kills Airflow's own process of the task with kill -9, as it submits or as it collects."""

    def strike(stack: Stack, run_id: str) -> None:
        def hit() -> bool:
            tasks = stack.airflow.task_instances(DAG, run_id)
            ids = [
                task["id"] for task in tasks if task["task_id"] == task_id and task["state"] in ("queued", "running")
            ]
            victims = [process for process in _processes_of(stack.workspace, ids)]
            for process in victims:
                process.kill()
            return bool(victims)

        wait_for(hit, 180)

    return strike


def _processes_of(workspace: Workspace, ids: list[str]) -> list[psutil.Process]:
    """Return the processes that run these task instances: children of workers whose command line has the id."""
    found = []
    for worker in workspace.processes.members(["airflow-scheduler"]):
        try:
            if any(one in " ".join(worker.cmdline()) for one in ids):
                found += worker.children()
        except psutil.Error:
            continue  # it ended meanwhile
    return found
