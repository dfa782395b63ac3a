"""Eight failures of deliveries, jobs and tables. A case may need the days that earlier cases have run."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from threading import Event, Thread

import psutil
import requests

from retailflow import raw
from retailflow.contracts import feeds, gold_tables
from retailflow.manifests import ulid
from retailflow.raw import Part, complete, deliver
from retailflow_local.console import console
from retailflow_local.drill import Case, Drill, day
from retailflow_local.simulator.encode import csv, ndjson, zipped
from retailflow_local.simulator.files import deliver_day
from retailflow_local.spark_client import session

UNSTARTED, LATE, DOWN, STUCK = day(0), day(1), day(2), day(3)
_OF_PAYMENTS = {"raw.payments", "bronze.payments", "silver.payments"} | {
    contract.table.name for contract in gold_tables() if "silver.payments" in contract.sources
}
_AT_THE_END = {"gold.publish", "complete"}
SILVER = {f"silver.{feed.name}" for feed in feeds()}


def _succeeded(date, *task_ids):
    return lambda drill: all(drill.states(date).get(task_id) == "success" for task_id in task_ids)


def all_but(date, *names):
    """Return an action that waits until SILVER of all other feeds of the day is done."""
    wanted = SILVER - {f"silver.{name}" for name in names}
    return lambda drill: drill.wait(lambda: _succeeded(date, *wanted)(drill), f"the other feeds of {date}")


def whole(drill: Drill, date) -> bool:
    return set(drill.states(date).values()) == {"success"}


def deliver_batch(drill: Drill, feed: str, date, name: str, part: Part) -> str:
    at = datetime.combine(date, time(6), UTC) + timedelta(days=1)
    return deliver(drill.raw, feed, date, ulid(at, name), at, [part]).batch_id


def withdraw(drill: Drill, feed: str, date, batch_id: str) -> None:
    """Withdraw a batch, as `./retailflow withdraw --apply` does."""
    done = raw.withdraw(drill.raw, feed, date, batch_id)
    console.print(f"  [dim]{feed} of {date}: withdrawn by {done.batch_id}[/dim]", soft_wrap=True)


def never_started(drill: Drill) -> None:
    deliver_day(drill.raw, drill.world, UNSTARTED)
    drill.watch(UNSTARTED)


def late_feed(drill: Drill) -> None:
    deliver_day(drill.raw, drill.world, LATE, leave_open=["payments"])
    drill.trigger_day(LATE)
    all_but(LATE, "payments")(drill)
    drill.watch(LATE)


def _events(drill: Drill, date) -> Part:
    return Part(".ndjson.gz", zipped(ndjson(drill.world.records("clickstream", date)[:20])), 20)


def cut_file(drill: Drill, date=LATE) -> None:
    sound = _events(drill, date)
    half = replace(sound, payload=sound.payload[: len(sound.payload) // 2])
    drill.bad = deliver_batch(drill, "clickstream", date, "cut", half)
    drill.clear(date, "bronze.clickstream")


def file_again(drill: Drill, date=LATE) -> None:
    withdraw(drill, "clickstream", date, drill.bad)
    deliver_batch(drill, "clickstream", date, "again", _events(drill, date))


def renamed_column(drill: Drill) -> None:
    """Rename a column of a feed with a hundred records. With fewer, each record would be invalid by itself."""
    records = drill.world.records("store_sales", LATE)
    renamed = csv("store_sales", records, new_column=False).replace(b"currency", b"currency_code", 1)
    drill.bad = deliver_batch(drill, "store_sales", LATE, "renamed", Part(".csv", renamed, len(records)))
    drill.clear(LATE, "bronze.store_sales")


def column_as_agreed(drill: Drill) -> None:
    records = drill.world.records("store_sales", LATE)
    withdraw(drill, "store_sales", LATE, drill.bad)
    agreed = csv("store_sales", records, new_column=False)
    deliver_batch(drill, "store_sales", LATE, "agreed", Part(".csv", agreed, len(records)))


def _replayed(drill: Drill) -> bool:
    runs = drill.client.dag_runs("retailflow_replay", "manual")
    return bool(runs) and all(run["state"] == "success" for run in runs)


def api_down(drill: Drill) -> None:
    deliver_day(drill.raw, drill.world, DOWN)
    drill.workspace.stop(["sources"])
    drill.trigger_day(DOWN)


def api_up(drill: Drill) -> None:
    drill.workspace.start()


def jobs_api(drill: Drill, method: str, path: str, **arguments):
    answer = requests.request(
        method,
        f"{drill.workspace.jobs_url}/api/2.2/jobs/runs/{path}",
        json=arguments,
        headers={"Authorization": f"Bearer {drill.workspace.jobs_token}"},
        timeout=20,
    )
    return answer.json()


def compute_lost(drill: Drill) -> None:
    """Let every try of the task lose its compute. To a client it looks as if somebody had cancelled the run."""

    def cancel() -> None:
        for run in jobs_api(drill, "GET", "list", active_only=True).get("runs", []):
            if "/bronze.inventory/" in run["run_name"]:
                jobs_api(drill, "POST", "cancel", run_id=run["run_id"])

    with repeatedly(cancel):
        drill.clear(DOWN, "bronze.inventory")
        failed = lambda: drill.states(DOWN).get("bronze.inventory") == "failed"  # noqa: E731
        drill.wait(failed, "the last try of bronze.inventory to fail")


@contextmanager
def repeatedly(act: Callable[[], None], seconds: float = 0.1) -> Iterator[None]:
    """Call `act` again and again during the block, at short intervals: a small job ends within a second or two."""
    is_over = Event()

    def go_on() -> None:
        while not is_over.wait(seconds):
            act()

    thread = Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def hung_job(drill: Drill) -> None:
    """Freeze the process of the job, so that it neither ends nor fails."""
    deliver_day(drill.raw, drill.world, STUCK, leave_open=["payments"])
    drill.trigger_day(STUCK)
    left = lambda: {task for task, state in drill.states(STUCK).items() if state != "success"}  # noqa: E731
    drill.wait(lambda: left() == _OF_PAYMENTS | _AT_THE_END, "all that does not need payments")
    members = drill.workspace.processes.members
    before, frozen = {process.pid for process in members(["jobs"])}, set()

    def freeze() -> None:
        for process in members(["jobs"]):
            with suppress(psutil.Error, OSError):
                # Only once it leads its own session: before that the server waits for it to report its id.
                if process.pid not in before and os.getsid(process.pid) == process.pid:
                    process.send_signal(signal.SIGSTOP)
                    frozen.add(process.pid)

    with repeatedly(freeze):
        complete(drill.raw, "payments", STUCK)
        hangs = lambda: frozen and drill.states(STUCK)["bronze.payments"] == "deferred"  # noqa: E731
        drill.wait(hangs, "the job of bronze.payments to start")
    drill.watch(STUCK)


def rows_deleted(drill: Drill) -> None:
    """Delete rows of BRONZE by hand. The next run of the day counts its records."""
    with session(drill.workspace.spark_remote) as spark:
        spark.sql(f"DELETE FROM spark_catalog.bronze.payments WHERE ingestion_date = '{STUCK}' AND _position < 3")
    drill.clear(STUCK, "silver.payments")


CASES = (
    Case(
        "The day never started",
        never_started,
        ("MISSED ",),
        lambda drill: whole(drill, UNSTARTED),
    ),
    Case(
        "A feed is late",
        late_feed,
        ("MISSED silver.payments",),
        lambda drill: whole(drill, LATE),
        lambda drill: complete(drill.raw, "payments", LATE),
    ),
    Case(
        "A file is cut off",
        cut_file,
        ("FAILED bronze.clickstream",),
        lambda drill: whole(drill, LATE),
        file_again,
    ),
    Case(
        "A required column is renamed",
        renamed_column,
        ("FAILED bronze.store_sales",),
        _replayed,
        column_as_agreed,
    ),
    Case(
        "The source's API is down",
        api_down,
        ("FAILED raw.orders", "FAILED raw.customers"),
        lambda drill: whole(drill, DOWN),
        api_up,
    ),
    Case(
        "Databricks loses the compute",
        compute_lost,
        ("FAILED bronze.inventory",),
        lambda drill: whole(drill, DOWN),
    ),
    Case(
        "A job hangs",
        hung_job,
        ("MISSED silver.payments",),
        lambda drill: whole(drill, STUCK),
    ),
    Case(
        "Rows are deleted by hand",
        rows_deleted,
        ("FAILED silver.payments",),
        lambda drill: whole(drill, STUCK),
    ),
)
