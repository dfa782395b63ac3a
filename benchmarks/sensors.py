"""Sensors that wait hold no worker slot, and each fires within its poke interval + 5 s of its `_SUCCESS`: many at once.

The benchmark uses real Airflow (LocalExecutor, one triggerer) and Azurite. It queries Airflow every second. A sensor
has fired as soon as it is no longer deferred.
"""

import sqlite3
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from space import ROOT
from targets import Target

from retailflow_local.workspace import Workspace

DAG, POKE_SECONDS, GRACE_SECONDS = "many_sensors", 20, 5


class Bench(Workspace):
    """A workspace whose Airflow has only the benchmark's DAG."""

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "benchmarks" / "dags")}


def states(space: Bench) -> dict[int, str]:
    """Return the state of each sensor by its number, read directly from Airflow's database."""
    with sqlite3.connect(f"file:{space.root / 'airflow' / 'airflow.db'}?mode=ro", uri=True, timeout=30) as database:
        query = "SELECT map_index, state FROM task_instance WHERE task_id = 'wait' AND map_index >= 0"
        return dict(database.execute(query).fetchall())


def measure(count: int = 500) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        space = Bench(Path(folder))
        with space.running(airflow=True):
            return of(space, count)


def of(space: Bench, count: int) -> dict[str, float]:
    client, raw = space.airflow_client(), space.raw_store()
    client.wait_for_dag(DAG)
    client.trigger(DAG, datetime.now(UTC), {"count": count})
    began = time.monotonic()
    while (found := Counter(states(space).values()))["deferred"] < count:
        print(dict(found), flush=True)
        time.sleep(5)
    deferred_after = time.monotonic() - began
    slots = 0
    for _ in range(POKE_SECONDS):  # meanwhile each sensor pokes at least once
        found = Counter(states(space).values())
        slots = max(slots, found["running"] + found["queued"])
        time.sleep(1)
    written, fired = {}, {}
    for number in range(count):
        raw.create(f"sensors/{number:04}/_SUCCESS", b"")
        written[number] = time.monotonic()
    while len(fired) < count:
        now = time.monotonic()
        for number, state in states(space).items():
            if state != "deferred":
                fired.setdefault(number, now)
        time.sleep(1)
    waits = sorted(fired[number] - written[number] for number in written)
    return {
        "sensors": count,
        "poke_seconds": POKE_SECONDS,
        "seconds_until_all_were_deferred": round(deferred_after, 1),
        "worker_slots_held_while_deferred": slots,
        "seconds_to_fire_median": round(waits[count // 2], 1),
        "seconds_to_fire_slowest": round(waits[-1], 1),
    }


def targets(figures: dict) -> list[Target]:
    return [
        Target("Worker slots held by sensors that wait", 0, figures["worker_slots_held_while_deferred"]),
        Target(
            "Seconds from `_SUCCESS` until the slowest fires",
            POKE_SECONDS + GRACE_SECONDS,
            figures["seconds_to_fire_slowest"],
        ),
    ]
