"""A workspace with counters: Spark writes an event log, and the blob store logs its requests. The jobs of a day run in
it without Airflow and without a process per job.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import event_log
import psutil

from retailflow.contracts import feeds, gold_table, gold_tables
from retailflow.environments import load_environment
from retailflow_local.processes import cpu_seconds
from retailflow_local.spark_client import session
from retailflow_local.state import Simulation
from retailflow_local.workspace import Workspace
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.ops.maintenance import LAYERS, maintain_layer
from retailflow_spark.publish import release
from retailflow_spark.silver import load as silver

ROOT = Path(__file__).resolve().parents[1]
LOCAL = load_environment("local")
# Defaults of a cluster that the local workspace changes, because it is made for small days (docs/adr/0003).
LARGE_DAYS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": "8",
}
_C1_ONLY = "-XX:TieredStopAtLevel=1"


class Space(Workspace):
    """A local workspace with counters. For large days it gets a larger heap and the settings of a cluster."""

    def __init__(self, root: Path, heap: str | None = None) -> None:
        super().__init__(root)
        self.heap = heap
        self.start_seconds = 0  # how long a run waits for compute

    def command(self, name, on_step=lambda *_: None):
        command, environment = super().command(name, on_step)
        if name == "azurite":
            return tuple(part for part in command if part != "--silent"), environment
        if name == "jobs":
            return (*command, f"--start-seconds={self.start_seconds}"), environment
        if name != "spark":
            return command, environment
        self.log.mkdir(parents=True, exist_ok=True)
        settings = {**event_log.SETTINGS, "spark.eventLog.dir": self.log.as_uri()}
        if self.heap:
            settings |= LARGE_DAYS
            command = [f"-Xmx{self.heap}" if part.startswith("-Xmx") else part for part in command if part != _C1_ONLY]
        options = [f"--conf={key}={value}" for key, value in settings.items()]
        return (*command[:-2], *options, *command[-2:]), environment

    @property
    def log(self) -> Path:
        return self.root / "events"

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the Spark server with its Python workers, and of this process."""
        server = self.processes.find("spark")
        return cpu_seconds(psutil.Process(), server, *server.children(recursive=True))

    def measured(self, work: Callable[[], object]) -> Counter[str]:
        """Run `work`. Return the counters of Spark, Delta's commits and RAW's requests, with CPU and wall seconds."""
        commits, offset = self._commits(), self.processes.log("azurite").stat().st_size
        began, cpu = time.time(), self.cpu_seconds()
        work()
        ended, spent = time.time(), self.cpu_seconds() - cpu
        time.sleep(2)  # the logs are written with a delay
        found = event_log.counted(self.log, began, ended) | self._requests(offset)
        found["commits"] = self._commits() - commits
        return found | Counter(cpu_seconds=round(spent, 1), wall_seconds=round(ended - began, 1))

    def _commits(self) -> int:
        return sum(1 for _ in (self.root / "warehouse").glob("*.db/*/_delta_log/*.json"))

    def _requests(self, offset: int) -> Counter[str]:
        """Count requests to RAW after the first `offset` bytes of its log, and those that only list or check blobs."""
        lines = self.processes.log("azurite").read_bytes()[offset:].decode().splitlines()
        looks = sum('"HEAD ' in line or "comp=list" in line for line in lines)
        return Counter(raw_requests=sum('"GET ' in line or '"HEAD ' in line for line in lines), raw_looks=looks)

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        """Yield the tables in a new session, as each job has its own."""
        with session(self.spark_remote) as spark:
            yield Tables(spark, LOCAL.catalog)


@contextmanager
def space(heap: str | None = None, airflow: bool = False) -> Iterator[Space]:
    """Yield a running workspace with a small world; it is deleted at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Space(Path(folder), heap)
        with made.running(airflow=airflow, simulation=Simulation(scale=0.02, trouble="none")):
            yield made


def to_bronze(made: Space, contract, day: date) -> None:
    """Do the work of the entry script in a new session, but without starting a process. The others do the same."""
    with made.tables() as tables:
        bronze.load_day(tables, made.raw_store(), contract, day)


def to_silver(made: Space, contract, day: date) -> None:
    with made.tables() as tables:
        silver.load_day(tables, contract, day)


def to_gold(made: Space, name: str) -> None:
    with made.tables() as tables:
        refresh(tables, gold_table(name))


def run_day(made: Space, day: date) -> None:
    """Run all feeds and all tables of a day, one after the other."""
    for contract in feeds():
        to_bronze(made, contract, day)
        to_silver(made, contract, day)
    for contract in gold_tables():
        to_gold(made, contract.name)
    with made.tables() as tables:
        release.publish_or_fail(tables)


def keep_up(made: Space) -> None:
    for layer in LAYERS:
        with made.tables() as tables:
            maintain_layer(tables, layer, "1")
