"""Run jobs with a fault on the local workspace, and compare their tables with those of clean runs."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import requests

from retailflow.compute import Serverless, submit_fields
from retailflow.contracts import feed_contract, gold_table
from retailflow.raw import RawStore
from retailflow.scripts import for_day
from retailflow_local.state import workspace_files
from retailflow_local.workspace import Workspace
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh

from .matrix import Cell, Matrix

SCRIPT = "/Workspace/retailflow/faults/job.py"
VIEW = "published"
FAULTS = {  # by the name in the matrix: the argument of job.py, and the share of the write's time before the kill
    "killed before": ("killed-before", 0),
    "killed while": ("killed-while", 1 / 2),
    "answer lost": ("answer-lost", 0),
}
Rows = dict[str, Counter]


@dataclass(frozen=True)
class Job:
    """An entry script for one feed or GOLD table. `name` of a publication is the table to compare."""

    script: str
    name: str

    @property
    def tables(self) -> list[str]:
        """The names of the tables that it writes, without those of ops."""
        if self.script in ("gold", "publish"):
            return [f"gold.{self.name}"]
        contract = feed_contract(self.name)
        tables = (contract.bronze,) if self.script == "bronze" else (contract.quarantine, *contract.silver_tables)
        return [table.name for table in tables]

    def __str__(self) -> str:
        return f"{self.script}.{self.name}"


@dataclass(frozen=True)
class Write:
    point: str
    seconds: float


class Lab:
    """Runs jobs through the workspace's Jobs API, retries included; reads tables in its own session."""

    def __init__(self, workspace: Workspace, tables: Tables, raw: RawStore, matrix: Matrix) -> None:
        self.tables, self.raw, self.matrix = tables, raw, matrix
        self._url = f"{workspace.jobs_url}/api/2.2/jobs/runs"
        script = workspace_files(workspace.root) / "faults" / "job.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("job.py"), script)
        serverless = Serverless(profile="serverless")
        self._run_fields, self._task_fields = submit_fields(serverless, workspace.release, {})
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {workspace.jobs_token}"

    def attempt(self, job: Job, day: date, number: int = 1, fault: str = "none", write: Write | None = None) -> dict:
        """Run one try of a job to its end. Return its Databricks run: `task_run_id`, `result` and `logs`."""
        kind, part = FAULTS.get(fault, (fault, 0))
        point, seconds = (write.point, write.seconds * part) if write else ("", 0)
        subject = ["--date", str(day)] if job.script == "publish" else for_day(job.script, job.name, str(day))
        asked = ["--env", "local", *subject, "--dag-run", f"faults__{day}", "--try", str(number)]
        asked += ["--run-id", "{{task.run_id}}"]
        task = {"python_file": SCRIPT, "parameters": [kind, point, f"{seconds:.3f}", job.script, *asked]}
        payload = {"run_name": f"faults/{job}/{day}/try {number}", **self._run_fields}
        payload["tasks"] = [{"task_key": "only", "spark_python_task": task, **self._task_fields}]
        run_id = self._http.post(f"{self._url}/submit", json=payload, timeout=20).json()["run_id"]
        run = wait_for(lambda: self._ended(run_id), 120)
        task_run_id = str(run["tasks"][0]["run_id"])
        output = self._http.get(f"{self._url}/get-output", params={"run_id": task_run_id}, timeout=20).json()
        return {"task_run_id": task_run_id, "result": run["state"].get("result_state"), "logs": output["logs"]}

    def _ended(self, run_id: int) -> dict[str, Any] | None:
        run = self._http.get(f"{self._url}/get", params={"run_id": run_id}, timeout=20).json()
        return run if run["end_time"] else None

    def writes(self, job: Job, day: date) -> list[Write]:
        """Run a job without a fault. Return its writes in order."""
        run = self.attempt(job, day)
        assert run["result"] == "SUCCESS", run["logs"]
        found = re.findall(r"^WRITE (\S+) (.+)$", run["logs"], re.MULTILINE)
        assert found, run["logs"]
        return [Write(point, float(seconds)) for seconds, point in found]

    def clean(self, job: Job, day: date) -> Rows:
        """Run a job in this process without a fault. Return the rows of its tables."""
        from retailflow_spark.bronze import load as bronze
        from retailflow_spark.silver import load as silver

        if job.script == "bronze":
            bronze.load_day(self.tables, self.raw, feed_contract(job.name), day)
        elif job.script == "silver":
            silver.load_day(self.tables, feed_contract(job.name), day)
        elif job.script == "gold":
            refresh(self.tables, gold_table(job.name))
        return self.rows(job.tables)

    def rows(self, names: Iterable[str]) -> Rows:
        return {name: Counter(map(repr, self.tables.read(name).collect())) for name in names}

    def cell(self, group: str, job: Job, day: date, write: Write, fault: str, wanted: Rows) -> Cell:
        """Run a job with the fault, retry it as usual, and compare. Return the cell of the matrix."""
        first = self.attempt(job, day, 1, fault, write)
        assert f"FAULT {FAULTS[fault][0]}: {write.point}" in first["logs"], f"not reached: {first['logs']}"
        assert first["result"] == "FAILED", first
        second = self.attempt(job, day, 2)
        assert second["result"] == "SUCCESS", f"{job}, {write.point}, {fault}: {second['logs']}"
        lost, doubled = self._rows_wrong(job, wanted)
        unwritten, runs = self._runs_wrong(first["task_run_id"], second["task_run_id"])
        return self.matrix.add(Cell(group, f"{job} · {write.point}", fault, lost + unwritten, doubled, runs))

    def _rows_wrong(self, job: Job, wanted: Rows) -> tuple[int, int]:
        found = self.rows(job.tables)
        if job.script == "publish":
            view = self.tables.spark.sql(f"SELECT * FROM spark_catalog.gold.{job.name}").collect()
            found[VIEW] = Counter(map(repr, view))
            wanted = wanted | {VIEW: wanted[job.tables[0]]}
            doubled = self._count("SELECT count(*) - count(DISTINCT release) FROM spark_catalog.ops.releases")
        else:
            doubled = 0
        lost = sum((wanted[name] - found[name]).total() for name in wanted)
        doubled += sum((found[name] - wanted[name]).total() for name in wanted)
        return lost + (self.open_balances(job.name) if job.script == "silver" else 0), doubled

    def _runs_wrong(self, first: str, second: str) -> tuple[int, int]:
        """Return how many rows the run log lacks, and how many it has twice.

        One of the two tries has a row: the first if it died after its last write, else the second.
        """
        rows = self.tables.read("ops.runs").where(f"databricks_run_id IN ('{first}', '{second}')").collect()
        times = Counter(row.databricks_run_id for row in rows)
        return 1 - min(times[first] + times[second], 1), sum(count - 1 for count in times.values())

    def open_balances(self, name: str) -> int:
        """Return the number of dates whose latest balance is not closed."""
        return self._count(
            f"SELECT count_if(NOT is_closed) FROM spark_catalog.ops.row_reconciliation_latest WHERE name = '{name}'"
        )

    def _count(self, query: str) -> int:
        return self.tables.spark.sql(query).first()[0]


def wait_for(condition: Callable[[], Any], seconds: float, every: float = 0.05) -> Any:
    """Return the first true answer. Raises: AssertionError if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return answer
