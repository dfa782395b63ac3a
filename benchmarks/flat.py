"""A day costs what its data costs, not what the years behind it do: `python benchmarks/flat.py [DAYS …]` (30 730).

The same day is run over histories of those lengths, each in a workspace of its own: all feeds through all layers, then
the upkeep of all tables. Exit code 1 where Spark jobs, files or bytes read grow with the history.
"""

import json
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("include", "spark_jobs", "local")]

import event_log  # noqa: E402
import history  # noqa: E402

from retailflow.contracts import entities, gold_table  # noqa: E402
from retailflow.environments import load_environment  # noqa: E402
from retailflow_local.simulator.files import deliver_day  # noqa: E402
from retailflow_local.simulator.world import ENTITIES, World  # noqa: E402
from retailflow_local.spark_server import session  # noqa: E402
from retailflow_local.workspace import Workspace  # noqa: E402
from retailflow_spark import bronze, drift, ledger, publish, release, silver  # noqa: E402
from retailflow_spark.job import Run  # noqa: E402
from retailflow_spark.maintenance import LAYERS, maintain_layer  # noqa: E402
from retailflow_spark.tables import Tables  # noqa: E402

MEASURED = date(2026, 1, 15)
SEED, SCALE = 7, 0.02
GATED = ("jobs", "files_read", "bytes_read")
LOCAL = load_environment("local")
_sessions = []  # Spark Connect's client can lock itself out when an old session is collected while another one asks


class Bench(Workspace):
    """A workspace whose Spark writes an event log."""

    @property
    def log(self) -> Path:
        return self.root / "events"

    def command(self, name, on_step=lambda *_: None):
        command, environment = super().command(name, on_step)
        if name == "spark":
            self.log.mkdir(parents=True, exist_ok=True)
            settings = {**event_log.SETTINGS, "spark.eventLog.dir": self.log.as_uri()}
            options = [f"--conf={key}={value}" for key, value in settings.items()]
            command = (*command[:-2], *options, *command[-2:])
        return command, environment

    def cpu_seconds(self) -> float:
        """Of the Spark server with its Python workers, and of this process."""
        server, seconds = self.processes.find("spark"), 0.0
        for process in (psutil.Process(), server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                seconds += sum(process.cpu_times()[:4])
        return seconds


def as_job(space: Bench, layer: str, name: str, day: date, work: Callable[[Tables, str], ledger.Counts]) -> None:
    """What an entry script does, in a session of its own, but without starting a process."""
    run = Run(LOCAL, layer, name, day, "bench", 1, str(uuid.uuid4().int % 10**12), datetime.now(UTC))
    with session(space.spark_remote) as spark:
        _sessions.append(spark)
        tables = Tables(spark, LOCAL.catalog)
        ledger.record(tables, run, "1.0.0", work(tables, run.databricks_run_id))


def run_day(space: Bench, day: date) -> None:
    """All feeds and all tables of a day, one after the other."""
    for contract in entities():

        def to_bronze(tables, run_id, contract=contract):
            counts = bronze.load_day(tables, LOCAL.raw.root, contract, day)
            drift.notice(tables, contract, day, run_id)
            return counts

        as_job(space, "bronze", contract.name, day, to_bronze)
        as_job(space, "silver", contract.name, day, lambda t, i, c=contract: silver.load_day(t, c, day, i))
    for name in history.gold_order():

        def to_gold(tables, run_id, name=name):
            contract = gold_table(name)
            counts = publish.refresh(tables, contract)
            if release.is_last(contract):
                release.check_held(tables, release.publish(tables, run_id), contract.table.name)
            return counts

        as_job(space, "gold", name, day, to_gold)


def keep_up(space: Bench) -> None:
    for layer in LAYERS:
        with session(space.spark_remote) as spark:
            maintain_layer(Tables(spark, LOCAL.catalog), layer, "1")


def measure(days: int) -> dict[str, Counter[str]]:
    """Counters and seconds of the day, of the same day again, and of the upkeep, behind which are so many days."""
    with tempfile.TemporaryDirectory() as folder:
        space = Bench(Path(folder))
        with space.running(airflow=False):
            raw, world = space.raw_store(), World(SEED, SCALE)
            before = [MEASURED - timedelta(days=number) for number in range(days, 0, -1)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda day: deliver_day(raw, world, day, entities=ENTITIES), before[:-1]))
            with session(space.spark_remote) as spark:
                history.build(Tables(spark, LOCAL.catalog), raw, LOCAL.raw.root, before[:-1])
            for day in (before[-1], MEASURED):
                deliver_day(raw, world, day, entities=ENTITIES)
            run_day(space, before[-1])  # warm, and in the state that day after day leaves
            keep_up(space)
            return {
                "day": measured(space, lambda: run_day(space, MEASURED)),
                "again": measured(space, lambda: run_day(space, MEASURED)),
                "upkeep": measured(space, lambda: keep_up(space)),
            }


def measured(space: Bench, work: Callable[[], None]) -> Counter[str]:
    began, cpu = time.time(), space.cpu_seconds()
    work()
    ended, spent = time.time(), space.cpu_seconds() - cpu
    time.sleep(2)  # the event log is written behind the work
    found = event_log.counted(space.log, began, ended)
    return found | Counter(cpu_seconds=round(spent), wall_seconds=round(ended - began))


def main(lengths: Sequence[int]) -> None:
    found = {days: measure(days) for days in lengths}
    print(json.dumps(found, indent=1, sort_keys=True))
    shortest, longest = found[min(lengths)]["day"], found[max(lengths)]["day"]
    grown = [name for name in GATED if longest[name] > shortest[name]]
    sys.exit(f"{max(lengths)} days of history cost the day more {', '.join(grown)}." if grown else 0)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [30, 730])
