"""A workspace that counts: its Spark writes an event log, its blob store what it is asked, and a day's jobs run in it
without Airflow or a process each.
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

from retailflow.contracts import entities, gold_table, gold_tables
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
# What a cluster has by default and the local workspace, made for small days, has not (docs/adr/0003).
LARGE_DAYS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": "8",
}
_C1_ONLY = "-XX:TieredStopAtLevel=1"


class Space(Workspace):
    """A local workspace that counts; for large days with a larger heap and the settings of a cluster."""

    def __init__(self, root: Path, heap: str | None = None) -> None:
        super().__init__(root)
        self.heap = heap
        self.start_seconds = 0  # that a run waits for compute

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
        """Of the Spark server with its Python workers, and of this process."""
        server = self.processes.find("spark")
        return cpu_seconds(psutil.Process(), server, *server.children(recursive=True))

    def measured(self, work: Callable[[], object]) -> Counter[str]:
        """What Spark did meanwhile, the commits of Delta, what was asked of RAW, with CPU and wall seconds."""
        commits, told = self._commits(), self.processes.log("azurite").stat().st_size
        began, cpu = time.time(), self.cpu_seconds()
        work()
        ended, spent = time.time(), self.cpu_seconds() - cpu
        time.sleep(2)  # the logs are written behind the work
        found = event_log.counted(self.log, began, ended) | self._requests(told)
        found["commits"] = self._commits() - commits
        return found | Counter(cpu_seconds=round(spent, 1), wall_seconds=round(ended - began, 1))

    def _commits(self) -> int:
        return sum(1 for _ in (self.root / "warehouse").glob("*.db/*/_delta_log/*.json"))

    def _requests(self, told: int) -> Counter[str]:
        """Requests to RAW since its log was so long, and those that only look what is there: lists, heads of blobs."""
        lines = self.processes.log("azurite").read_bytes()[told:].decode().splitlines()
        looks = sum('"HEAD ' in line or "comp=list" in line for line in lines)
        return Counter(raw_requests=sum('"GET ' in line or '"HEAD ' in line for line in lines), raw_looks=looks)

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        """In a session of their own, as each job has one."""
        with session(self.spark_remote) as spark:
            yield Tables(spark, LOCAL.catalog)


@contextmanager
def space(heap: str | None = None, airflow: bool = False) -> Iterator[Space]:
    """One that runs for the block and is gone after it; its world is small."""
    with tempfile.TemporaryDirectory() as folder:
        made = Space(Path(folder), heap)
        with made.running(airflow=airflow, simulation=Simulation(scale=0.02, trouble="none")):
            yield made


def to_bronze(made: Space, contract, day: date) -> None:
    """What the entry script does, in a session of its own, but without starting a process; so do the others here."""
    with made.tables() as tables:
        bronze.load_day(tables, made.raw_store(), contract, day)


def to_silver(made: Space, contract, day: date) -> None:
    with made.tables() as tables:
        silver.load_day(tables, contract, day)


def to_gold(made: Space, name: str) -> None:
    with made.tables() as tables:
        refresh(tables, gold_table(name))


def run_day(made: Space, day: date) -> None:
    """All feeds and all tables of a day, one after the other."""
    for contract in entities():
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
