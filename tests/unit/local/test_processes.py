import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from retailflow_local.errors import WorkspaceError
from retailflow_local.jobs_api.processes import Leader
from retailflow_local.processes import Health, Processes, any_free_port, is_free, restarted
from retailflow_local.starts import Start

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
LEAVES_ITS_LEADER = (
    "import subprocess, sys;"
    "quiet = {'stdout': subprocess.DEVNULL};"
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], **quiet).pid, flush=True)"
)
IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); "
LEAVES_ITS_SESSION = (
    "import subprocess, sys, time;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True);"
    "print(p.pid, flush=True);"
)


@pytest.fixture
def processes(tmp_path):
    space = Processes(tmp_path)
    yield space
    space.stop(["worker"])


@pytest.fixture
def stranger():
    process = subprocess.Popen(SLEEP)
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def printed(processes: Processes) -> str:
    for _ in range(100):
        if text := processes.log("worker").read_text().strip():
            return text
        time.sleep(0.05)
    raise AssertionError("nothing was printed")


def test_a_started_process_is_found_by_its_name_and_stopped(processes):
    processes.start("worker", SLEEP, os.environ)
    worker = processes.find("worker")
    processes.stop(["worker"])
    assert worker is not None and not worker.is_running()
    assert processes.find("worker") is None


def test_a_stranger_who_was_given_the_recorded_id_is_neither_found_nor_stopped(processes, stranger, tmp_path):
    record = {"pid": stranger.pid, "start": str(replace(Start.of(stranger.pid), ticks=1))}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "worker.json").write_text(json.dumps(record))
    assert processes.find("worker") is None
    processes.stop(["worker"])
    assert stranger.status() != psutil.STATUS_ZOMBIE
    assert not (tmp_path / "run" / "worker.json").exists()


@pytest.mark.parametrize("boot", ["this", "another"])
def test_after_a_reboot_a_session_with_the_recorded_id_is_a_stranger(processes, tmp_path, boot):
    """A daemon's session has no leader. Until a reboot, a session with that id can only be ours."""
    leader = subprocess.Popen((sys.executable, "-c", LEAVES_ITS_LEADER), stdout=subprocess.PIPE, start_new_session=True)
    daemon = psutil.Process(int(leader.stdout.readline()))
    start = Start.of(leader.pid)
    leader.wait()
    record = {"pid": leader.pid, "start": str(start if boot == "this" else replace(start, boot=boot))}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "worker.json").write_text(json.dumps(record))
    try:
        assert (daemon in processes.members(["worker"])) == (boot == "this")
    finally:
        daemon.kill()


def test_a_step_of_the_clock_hides_no_process(processes, monkeypatch):
    processes.start("worker", SLEEP, os.environ)
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3600)
    worker = processes.find("worker")
    leader = Leader.of(worker.pid)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) - 3600)
    assert worker.pid in [one.pid for one in leader.processes()]
    processes.stop(["worker"])
    assert not worker.is_running()


def test_a_damaged_record_stops_nobody(processes, stranger, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "worker.json").write_text(f'{{"pid": {stranger.pid}, "start')
    processes.stop(["worker"])
    assert stranger.status() != psutil.STATUS_ZOMBIE


def test_a_child_that_left_its_session_is_stopped_with_its_parent(processes):
    processes.start("worker", (sys.executable, "-c", LEAVES_ITS_SESSION + "time.sleep(60)"), os.environ)
    child = psutil.Process(int(printed(processes)))
    processes.stop(["worker"])
    assert not child.is_running()


def test_an_orphan_of_a_process_that_died_is_stopped(processes):
    processes.start("worker", (sys.executable, "-c", LEAVES_ITS_SESSION), os.environ)
    orphan = psutil.Process(int(printed(processes)))
    while processes.find("worker"):
        time.sleep(0.02)
    processes.stop(["worker"])
    assert not orphan.is_running()


def test_a_process_that_ignores_the_request_is_killed(processes, monkeypatch):
    monkeypatch.setattr("retailflow_local.processes.GRACE_SECONDS", 0.2)
    processes.start("worker", (sys.executable, "-c", IGNORES_TERM + "time.sleep(60)"), os.environ)
    assert printed(processes) == "ready"
    worker = processes.find("worker")
    processes.stop(["worker"])
    assert not worker.is_running()


def test_a_service_that_dies_says_so_at_once_with_the_end_of_its_log(processes):
    processes.start("worker", (sys.executable, "-c", "raise SystemExit('no such port')"), os.environ)
    with pytest.raises(WorkspaceError, match=r"worker ended while it started\. .*worker\.log, ends:\nno such port"):
        processes.wait(Health("worker", probe=lambda: False, patience_seconds=30))


def test_a_process_that_must_go_on_is_started_again_when_it_fails_and_not_when_it_is_stopped(processes, tmp_path):
    begins = f"import sys, time; from pathlib import Path; first = not Path({str(tmp_path / 'begun')!r}).exists();"
    begins += f"Path({str(tmp_path / 'begun')!r}).touch(); first and sys.exit(1); print('ready', flush=True);"
    processes.start("worker", restarted((sys.executable, "-c", begins + "time.sleep(60)")), os.environ)
    assert printed(processes) == "ready"
    second = processes.find("worker").children()[0]
    processes.stop(["worker"])
    assert processes.find("worker") is None and not second.is_running()


def test_a_process_that_cannot_start_is_given_up_with_a_sentence(processes, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sleep").write_text("#!/bin/sh\necho waits $1\n")
    (tmp_path / "bin" / "sleep").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    processes.start("worker", restarted(("false",)), environment)
    with pytest.raises(WorkspaceError, match=r"waits 16\nIt failed 5 times within a minute each\..* ./retailflow up"):
        processes.wait(Health("worker", probe=lambda: False, patience_seconds=30))


def test_a_service_that_never_gets_ready_is_given_up(processes):
    processes.start("worker", SLEEP, os.environ)
    with pytest.raises(WorkspaceError, match=r"worker is not ready after 0 s\. .*worker\.log, is empty"):
        processes.wait(Health("worker", probe=lambda: False, patience_seconds=0.2))


def test_a_chosen_port_is_none_that_the_system_gives_away():
    """An internal port of a server once took a number that we had chosen, and everything that needed it failed."""
    given_away = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given_away.read_text().split()[0]) if given_away.exists() else 49_152
    assert all(any_free_port() < first for _ in range(200))


def test_a_port_that_a_stranger_answers_on_does_not_make_our_process_healthy(processes):
    port = any_free_port()
    listens = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('on', flush=True);"
    processes.start("worker", (sys.executable, "-c", listens + "time.sleep(60)"), os.environ)
    assert printed(processes) == "on"
    processes.start("other", SLEEP, os.environ)
    try:
        assert processes.is_healthy(Health("worker", port))
        assert not processes.is_healthy(Health("other", port))
        assert not is_free(port)
    finally:
        processes.stop(["other"])
