"""Many deferred sensors: `python benchmarks/sensors.py [COUNT]` (500). Exit code 1 when a claim does not hold.

Claims: sensors that wait hold no worker slot; each fires within its poke interval + 5 s of its `_SUCCESS`. Real Airflow
(LocalExecutor, one triggerer) and Azurite. Fired is when Airflow, asked each second, no longer has it as deferred.
"""

import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("include", "spark_jobs", "local")]

from retailflow_local.workspace import Workspace  # noqa: E402

DAG, POKE_SECONDS, GRACE_SECONDS = "many_sensors", 20, 5


class Bench(Workspace):
    """A workspace whose Airflow knows the benchmark's DAG alone."""

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "benchmarks" / "dags")}


def states(space: Bench) -> dict[int, str]:
    """The state of each sensor by its number, read beside Airflow from its database."""
    with sqlite3.connect(f"file:{space.root / 'airflow' / 'airflow.db'}?mode=ro", uri=True, timeout=30) as database:
        query = "SELECT map_index, state FROM task_instance WHERE task_id = 'wait' AND map_index >= 0"
        return dict(database.execute(query).fetchall())


def measure(space: Bench, count: int) -> dict[str, float]:
    client, raw = space.airflow_client(), space.raw_store()
    client.wait_for_dag(DAG)
    client.trigger(DAG, datetime.now(UTC), {"count": count})
    began = time.monotonic()
    while (found := Counter(states(space).values()))["deferred"] < count:
        print(dict(found), flush=True)
        time.sleep(5)
    deferred_after = time.monotonic() - began
    slots = 0
    for _ in range(POKE_SECONDS):  # all of them poke at least once meanwhile
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        with bench.running(airflow=True):
            result = measure(bench, int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    print(json.dumps(result, indent=1))
    is_right = result["worker_slots_held_while_deferred"] == 0
    sys.exit(0 if is_right and result["seconds_to_fire_slowest"] <= POKE_SECONDS + GRACE_SECONDS else 1)
