"""DAG files cost what their libraries cost: compare a process that parses all DAG files with one that only imports the
same third-party modules, in pairs. Parsing connects to no network and no database.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from targets import Target

ROOT = Path(__file__).resolve().parents[1]
RATIO, TASK_MS = 1.05, 1.0
_CONNECTIONS = ("socket.connect", "sqlite3.connect")


def parse() -> dict:
    """Parse all DAG files as the DAG processor does, then once more with all modules imported. Times in CPU seconds."""
    connected: list[str] = []
    sys.addaudithook(lambda event, _: connected.append(event) if event in _CONNECTIONS else None)
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    assert not bag.import_errors, bag.import_errors
    cpu = time.process_time()
    others = [name for name, module in list(sys.modules.items()) if not _is_ours(module)]
    began = time.process_time()
    DagBag(ROOT / "dags")
    again = time.process_time() - began
    tasks = sum(len(dag.tasks) for dag in bag.dags.values())
    return {"cpu": cpu, "again": again, "tasks": tasks, "connected": connected, "modules": others}


def bare(modules: list[str]) -> dict:
    """Import the same third-party modules in the same order. The time is in CPU seconds."""
    for name in modules:
        try:
            import_module(name)
        except ImportError:  # a module that another one created itself
            continue
    return {"cpu": time.process_time()}


def _is_ours(module: object) -> bool:
    file = getattr(module, "__file__", None) or ""
    return "site-packages" not in file and file.startswith(str(ROOT))


def child(work: str, modules: list[str] | None = None) -> dict:
    """Return the answer of a separate process, without state that Airflow keeps between processes."""
    with tempfile.TemporaryDirectory() as home:
        settings = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "RETAILFLOW_ENV": "local",
        }
        answer = subprocess.run(
            [sys.executable, __file__, work],
            input=json.dumps(modules or []),
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(answer.stdout.splitlines()[-1])


def measure(pairs: int = 5) -> dict:
    """Measure pairs of the two, one after the other, so that other load of the machine affects both."""
    modules = child("parse")["modules"]
    found = [(child("parse"), child("bare", modules)) for _ in range(pairs)]
    tasks = found[0][0]["tasks"]
    return {
        "pairs": pairs,
        "tasks": tasks,
        "parse_cpu_seconds": round(statistics.median(parsed["cpu"] for parsed, _ in found), 2),
        "bare_import_cpu_seconds": round(statistics.median(imported["cpu"] for _, imported in found), 2),
        "ratio": round(statistics.median(parsed["cpu"] / imported["cpu"] for parsed, imported in found), 3),
        "cpu_ms_a_task": round(1000 * statistics.median(parsed["again"] for parsed, _ in found) / tasks, 2),
        "connections": sorted({event for parsed, _ in found for event in parsed["connected"]}),
    }


def targets(figures: dict) -> list[Target]:
    return [
        Target("CPU of parsing all DAG files, of that of importing their libraries", RATIO, figures["ratio"]),
        Target("CPU milliseconds a task, once all is imported", TASK_MS, figures["cpu_ms_a_task"]),
        Target("Kinds of connection that parsing makes", 0, len(figures["connections"])),
    ]


if __name__ == "__main__":  # each figure has its own process
    modules = json.load(sys.stdin)
    print(json.dumps(parse() if sys.argv[1] == "parse" else bare(modules)))
