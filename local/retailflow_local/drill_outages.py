"""Six more failures: outages around the jobs, and effects that an e-mail, a clear or a replay must not have."""

import base64
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from time import time

import psutil

from retailflow.raw import complete
from retailflow_local import azurite
from retailflow_local.drill import DAILY, Case, Drill, day
from retailflow_local.drill_cases import (
    DOWN,
    LATE,
    UNSTARTED,
    all_but,
    cut_file,
    file_again,
    jobs_api,
    repeatedly,
    whole,
)
from retailflow_local.errors import WorkspaceError
from retailflow_local.simulator.files import deliver_day

WAITING, OUT, NIGHT = day(4), day(5), day(6)
_READERS = ["retailflow_data_tests"]  # started after whole days; on a laptop dbt's marts are started by hand
_STARTED_SECONDS = 1  # by then a task's process has reported to Airflow that it runs


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def warehouse_hangs(drill: Drill) -> None:
    """Freeze Spark as soon as the last try of the job has failed, so that the card's queries get no answer."""

    def freeze() -> None:
        task = drill.task(UNSTARTED, "bronze.clickstream")
        last = f"/bronze.clickstream/{UNSTARTED}/try {task['max_tries'] + 1} "
        for run in jobs_api(drill, "GET", "list").get("runs", []):
            if last in run["run_name"] and run["state"]["life_cycle_state"] != "RUNNING":
                _signal(drill.workspace.processes.members(["spark"]), signal.SIGSTOP)

    with repeatedly(freeze, seconds=0.3):
        cut_file(drill, UNSTARTED)
        failed = lambda: drill.task(UNSTARTED, "bronze.clickstream")["state"] == "failed"  # noqa: E731
        drill.wait(failed, "the last try of bronze.clickstream to fail")


def warehouse_answers(drill: Drill) -> None:
    _signal(drill.workspace.processes.members(["spark"]), signal.SIGCONT)
    file_again(drill, UNSTARTED)


def task_killed(drill: Drill) -> None:
    """Kill only the process of each try, as the kernel does if memory is short. No process is left to send an e-mail.

    Databricks does not answer meanwhile, so that a process lives until it is killed.
    """
    drill.wait(lambda: _reads_have_ended(drill), "the readers of the day before")  # else they are killed too
    members = drill.workspace.processes.members
    workers = [one for one in members(["airflow-scheduler"]) if "LocalExecutor" in " ".join(one.cmdline())]

    def kill() -> None:
        _signal((task for worker in workers for task in worker.children() if _has_started(task)), signal.SIGKILL)

    _signal(members(["jobs"]), signal.SIGSTOP)
    with repeatedly(kill):
        drill.clear(DOWN, "bronze.inventory")
        failed = lambda: drill.task(DOWN, "bronze.inventory")["state"] == "failed"  # noqa: E731
        drill.wait(failed, "the last try of bronze.inventory to fail")
    _signal(members(["jobs"]), signal.SIGCONT)
    drill.wait(lambda: drill.client.dag_run(DAILY, drill.run_of(DOWN))["state"] == "failed", "the run to end")
    drill.watch(DOWN)


def _has_started(task: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return time() - task.create_time() > _STARTED_SECONDS
    return False


def beside_a_waiting_day(drill: Drill) -> None:
    """Let one day wait for a feed while another is repaired."""
    deliver_day(drill.raw, drill.world, WAITING, leave_open=["payments"])
    drill.trigger_day(WAITING)
    all_but(WAITING, "payments")(drill)
    cut_file(drill, DOWN)


def credential_expired(drill: Drill) -> None:
    """Give storage another key than ours, while a day waits for a feed."""
    space = drill.workspace
    command, environment = space.command("azurite")
    space.stop(["azurite"])
    key = base64.b64encode(os.urandom(64)).decode()
    space.processes.start("azurite", command, {**environment, "AZURITE_ACCOUNTS": f"{azurite.ACCOUNT}:{key}"})
    space.processes.wait(space.health("azurite"))


def credential_renewed(drill: Drill) -> None:
    drill.workspace.stop(["azurite"])
    drill.workspace.start()
    complete(drill.raw, "payments", WAITING)


def databricks_out(drill: Drill) -> None:
    """Stop Databricks until every task of the night has failed for good and all tables are overdue.

    Nothing else runs meanwhile, because each run has an e-mail thread of its own.
    """
    drill.wait(lambda: _reads_have_ended(drill), "the readers of the day before")
    deliver_day(drill.raw, drill.world, OUT)
    drill.workspace.stop(["jobs"])
    drill.trigger_day(OUT)
    drill.wait(lambda: drill.client.dag_run(DAILY, drill.run_of(OUT))["state"] == "failed", f"the run of {OUT} to end")
    drill.watch(OUT)
    drill.watch(OUT)


def databricks_back(drill: Drill) -> None:
    drill.workspace.start()


def replay_before_the_night(drill: Drill) -> None:
    """Write some tables of GOLD by a replay, then start a normal night."""
    form = {"date_from": str(LATE), "date_to": str(LATE), "feeds": ["payments"], "dry_run": False}
    replay = drill.client.trigger("retailflow_replay", datetime.now(UTC), form)
    ended = lambda: drill.client.dag_run("retailflow_replay", replay)["state"] == "success"  # noqa: E731
    drill.wait(ended, "the replay of payments")
    drill.wait(lambda: _reads_have_ended(drill), "the readers after the replay")
    drill.struck_at = datetime.now(UTC)
    deliver_day(drill.raw, drill.world, NIGHT)
    drill.trigger_day(NIGHT)


def _reads(drill: Drill) -> list[dict]:
    """Return the runs that whole days have started."""
    return [run for dag in _READERS for run in drill.client.dag_runs(dag, "asset_triggered")]


def _reads_have_ended(drill: Drill) -> bool:
    return all(run["state"] in ("success", "failed") for run in _reads(drill))


def read_once_and_whole(drill: Drill) -> bool:
    """Return whether each reader of GOLD started once, after the whole night.

    Raises: WorkspaceError if a reader started before the night's last table was built.
    """
    if not whole(drill, NIGHT):
        return False
    built = max(datetime.fromisoformat(task["end_date"]) for task in drill.tasks(NIGHT))
    reads = [run for run in _reads(drill) if datetime.fromisoformat(run["queued_at"]) > drill.struck_at]
    if early := [run["dag_id"] for run in reads if datetime.fromisoformat(run["queued_at"]) < built]:
        raise WorkspaceError(f"Started before GOLD of {NIGHT} was whole: {', '.join(early)}.")
    return [run["dag_id"] for run in reads] == _READERS


OUTAGES = (
    Case(
        "The warehouse hangs at a failure",
        warehouse_hangs,
        ("FAILED bronze.clickstream",),
        lambda drill: whole(drill, UNSTARTED),
        warehouse_answers,
    ),
    Case(
        "The process of a task is killed alone",
        task_killed,
        ("FAILED bronze.inventory",),
        lambda drill: whole(drill, DOWN),
    ),
    Case(
        "A day is mended beside one that waits",
        beside_a_waiting_day,
        ("FAILED bronze.clickstream",),
        lambda drill: whole(drill, DOWN) and drill.states(WAITING)["raw.payments"] == "deferred",
        lambda drill: file_again(drill, DOWN),
    ),
    Case(
        "The credential of storage has expired",
        credential_expired,
        ("FAILED raw.payments",),
        lambda drill: whole(drill, WAITING),
        credential_renewed,
    ),
    Case(
        "Databricks is out for a night",
        databricks_out,
        ("FAILED ", "FAILED "),
        lambda drill: whole(drill, OUT),
        databricks_back,
        most_mails=2,
    ),
    Case(
        "A replay of some tables, then a night",
        replay_before_the_night,
        (),
        read_once_and_whole,
    ),
)
