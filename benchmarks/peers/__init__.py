"""Peers that do the same work, beside ours: a day of payments as received, and the latest record of each event, typed.

The peers are dbt-spark with incremental models on the same Spark server, dbt-duckdb, and Polars with delta-rs. Ours,
BRONZE and SILVER, also checks each file against its manifest, validates each record, counts the balance and keeps a run
log. The first day creates the tables and warms all engines. On the later days, each engine's CPU is counted in turn,
and digests compare the results.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from space import Space, space, to_bronze, to_silver
from targets import Target

from retailflow.contracts import feed_contract
from retailflow.manifests import ulid
from retailflow.raw import Part, complete, deliver
from retailflow_local.processes import cpu_seconds
from retailflow_local.virtual_environments import virtual_environment

HERE = Path(__file__).parent
PEERS = ("dbt_spark", "dbt_duckdb", "polars")
SIZES = (1_000_000, 10_000_000)
FIRST_DAY = 1_000_000
DAYS = [date(2026, 1, 14) + timedelta(days=number) for number in range(3)]
LIMITS = {"dbt_spark": 0.5, "dbt_duckdb": 2.0, "polars": 2.0}  # limits of the ratio ours to theirs
LARGE_LIMITS = {"dbt_spark": 0.5, "dbt_duckdb": 1.0, "polars": 1.0}  # from ten million rows on
# Only numbers and text, which all engines write in the same way.
_PLAIN = """
  SELECT payment_event_id, payment_id, order_id, event_type, CAST(amount * 10000 AS BIGINT) AS amount, currency, method,
    provider, unix_micros(occurred_at) AS occurred_at, unix_micros(recorded_at) AS recorded_at,
    CAST(occurred_date AS STRING) AS occurred_date, CAST(ingestion_date AS STRING) AS ingestion_date
  FROM {table}
"""


class Worker:
    """The process of the peers."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def ask(self, work: str, **order: Any) -> Any:
        print(json.dumps({"work": work, **order}), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise RuntimeError(f"The peer ended at {work}: see its output above.")

    def cpu_seconds(self) -> float:
        own = psutil.Process(self._process.pid)
        return cpu_seconds(own, *own.children(recursive=True))


@contextmanager
def worker(made: Space) -> Iterator[Worker]:
    python = virtual_environment(HERE, "peers") / "bin" / "python"
    settings = {
        "SPARK_REMOTE": made.spark_remote,
        "PEERS_DUCKDB": str(made.root / "marts.duckdb"),
        "DBT_TARGET_PATH": str(made.root / "dbt"),
        "DBT_LOG_PATH": str(made.root / "dbt"),
        "PYTHONWARNINGS": "ignore",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([python, HERE / "worker.py"], env={**os.environ, **settings}, **pipes) as process:
        try:
            yield Worker(process)
        finally:
            process.stdin.close()


def measure(*sizes: int) -> dict:
    return {str(rows): of_size(rows) for rows in sizes or SIZES}


def of_size(rows: int) -> dict:
    """Return the CPU seconds of a day of `rows` payments by each engine, and the ratios of ours to theirs.

    They are medians of the days after the first. A large size has one of these days, after a first day of a million.
    """
    counts = (FIRST_DAY, rows) if rows >= SIZES[-1] else (rows, rows, rows)
    first = 0
    with space(heap="6g") as made, ExitStack() as stack:
        workers = {peer: stack.enter_context(worker(made)) for peer in PEERS}
        found = {name: [] for name in ("ours", *PEERS)}
        for day, count in zip(DAYS, counts, strict=False):
            folder = delivered(made, workers["polars"], day, first, count)
            first += count
            work = {"ours": partial(ours, made, day)} | {
                peer: partial(workers[peer].ask, peer, folder=str(folder), day=str(day), root=str(made.root / "polars"))
                for peer in PEERS
            }
            for name, do in work.items():
                found[name].append(cpu_of(made, workers, do))
            assert len(set(digests(made, workers, day).values())) == 1, digests(made, workers, day)
        cpu = {name: round(statistics.median(seconds[1:]), 1) for name, seconds in found.items()}
        ratios = {
            peer: round(statistics.median(a / b for a, b in zip(found["ours"][1:], found[peer][1:], strict=True)), 2)
            for peer in PEERS
        }
        return {"cpu_seconds": cpu, "ours_to_theirs": ratios}


def delivered(made: Space, generator: Worker, day: date, first: int, rows: int) -> Path:
    """Write the day's files to a folder for the peers and to RAW for ours. Return the folder.

    The files have `rows` new events, numbered from `first`, and a tenth as many that correct the day before.
    """
    folder, corrected = made.root / "feed" / str(day), rows // 10 if first else 0
    counts = generator.ask(
        "files", folder=str(folder), day=str(day), first=first - corrected, new_from=first, end=first + rows
    )
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    files = zip(sorted(folder.iterdir()), counts, strict=True)
    parts = [Part(f".{path.stem}.ndjson", path.read_bytes(), count) for path, count in files]
    deliver(made.raw_store(), "payments", day, ulid(at, str(day)), at, parts)
    complete(made.raw_store(), "payments", day)
    return folder


def ours(made: Space, day: date) -> None:
    to_bronze(made, feed_contract("payments"), day)
    to_silver(made, feed_contract("payments"), day)


def cpu_of(made: Space, workers: dict[str, Worker], do) -> float:
    """Return the CPU seconds of all processes during `do`; the other engines are idle."""

    def spent() -> float:
        return made.cpu_seconds() + sum(one.cpu_seconds() for one in workers.values())

    before = spent()
    do()
    return spent() - before


def digests(made: Space, workers: dict[str, Worker], day: date) -> dict[str, str]:
    """Return a digest of each engine's second table."""
    found = {}
    for name, table in {"ours": "silver.payments", "dbt_spark": "peers.silver_payments"}.items():
        with made.tables() as tables:
            folder = made.root / "digest" / f"{name}-{day}"
            tables.spark.sql(_PLAIN.format(table=table)).write.mode("overwrite").parquet(str(folder))
            found[name] = workers["polars"].ask("digest", folder=str(folder))
    for name in ("dbt_duckdb", "polars"):
        folder = made.root / "digest" / f"{name}-{day}"
        folder.mkdir(parents=True, exist_ok=True)
        workers[name].ask(f"export_{name}", root=str(made.root / "polars"), folder=str(folder))
        found[name] = workers[name].ask("digest", folder=str(folder))
    return found


def targets(figures: dict) -> list[Target]:
    return [
        Target(f"CPU of ours as a multiple of {peer}'s, {rows} payments", limit, of["ours_to_theirs"][peer])
        for rows, of in figures.items()
        for peer, limit in (LARGE_LIMITS if int(rows) >= SIZES[-1] else LIMITS).items()
    ]
