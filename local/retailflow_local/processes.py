"""The workspace's processes: each has a session of its own, a log and a record.

A record contains the process id and its start (starts.py), so that `down` never ends a foreign process with an old id.
Every process also has a mark in its environment, which finds processes that left their parent and their session.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import NoReturn

import psutil

from retailflow_local.errors import WorkspaceError
from retailflow_local.starts import Start

MARK = "RETAILFLOW_PROCESS"
HOST = "127.0.0.1"
GRACE_SECONDS = 15
LOG_LINES_SHOWN = 15
_PORTS = 20_000, 32_768  # Linux assigns ports from 32,768 on by itself, other systems from 49,152
_random = SystemRandom()  # tests seed the usual generator, and two processes would draw the same


@dataclass(frozen=True)
class Health:
    """The health check of a process: it is healthy if it listens on its port itself and the probe succeeds."""

    name: str
    port: int | None = None
    probe: Callable[[], bool] = lambda: True
    patience_seconds: float = 60


class Processes:
    """The processes of one workspace, by name. Records are in `run/`, logs in `logs/`."""

    def __init__(self, root: Path) -> None:
        self._run = root / "run"
        self._logs = root / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self.log(name)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                cwd=self._run.parent,
                env={**environment, **self._mark(name)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        with suppress(psutil.NoSuchProcess):  # it ended at once: wait() reports it
            self._remember(name, psutil.Process(child.pid))

    def become(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
        """Replace the current process with that one."""
        self._run.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._remember(name, psutil.Process())
        os.execvpe(command[0], command, {**environment, **self._mark(name)})

    def find(self, name: str) -> psutil.Process | None:
        """Return the process with that name if it is alive and we started it."""
        if child := self._children.get(name):
            child.poll()  # a dead child stays a zombie until it is polled
        record = self._read(name)
        with suppress(psutil.Error):
            if record and record[1].is_of(record[0]):
                process = psutil.Process(record[0])
                return process if process.status() != psutil.STATUS_ZOMBIE else None
        return None

    def is_healthy(self, health: Health) -> bool:
        leader = self.find(health.name)
        return leader is not None and (health.port is None or _listens(leader, health.port)) and health.probe()

    def wait(self, health: Health) -> None:
        """Wait until a process is healthy.

        Raises:
            WorkspaceError: it ended, or is not healthy in time. The message has the last lines of its log.
        """
        deadline = time.monotonic() + health.patience_seconds
        while not self.is_healthy(health):
            if self.find(health.name) is None:
                raise WorkspaceError(f"{health.name} ended while it started. {self._last_lines(health.name)}")
            if time.monotonic() > deadline:
                raise WorkspaceError(
                    f"{health.name} is not ready after {health.patience_seconds:.0f} s. {self._last_lines(health.name)}"
                )
            time.sleep(0.1)

    def stop(self, names: Iterable[str]) -> None:
        """End these processes and all that they started, with SIGTERM, then SIGKILL. Never end foreign processes."""
        names = list(names)
        with _uninterrupted():
            for send, patience in ((psutil.Process.terminate, GRACE_SECONDS), (psutil.Process.kill, 5)):
                members = self.members(names)
                for member in members:
                    with suppress(psutil.Error):
                        send(member)
                psutil.wait_procs(members, timeout=patience)
            for name in names:
                self._record(name).unlink(missing_ok=True)
                self._children.pop(name, None)

    def members(self, names: Iterable[str]) -> list[psutil.Process]:
        """Return these processes, their descendants, their sessions, and every process with their mark."""
        names = list(names)
        marks = {str(self._record(name)) for name in names}
        leaders = [leader for name in names if (leader := self.find(name))]
        # The system does not reuse an id while its session lives, so a session without its leader is still ours. After
        # a reboot it may not be: a foreign process may have created a session with that id.
        records = [record for name in names if (record := self._read(name))]
        living = {leader.pid for leader in leaders}
        sessions = {pid: start for pid, start in records if pid in living or not psutil.pid_exists(pid)}
        found = {process.pid: process for leader in leaders for process in (leader, *_descendants(leader))}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                start = sessions.get(os.getsid(process.pid))
                if (start and start.may_have_started(process.pid)) or process.environ().get(MARK) in marks:
                    found[process.pid] = process
        found.pop(os.getpid(), None)
        return [process for process in found.values() if _is_alive(process)]

    def _remember(self, name: str, process: psutil.Process) -> None:
        if start := Start.of(process.pid):
            self._record(name).write_text(json.dumps({"pid": process.pid, "start": str(start)}))

    def _mark(self, name: str) -> dict[str, str]:
        return {MARK: str(self._record(name))}

    def _record(self, name: str) -> Path:
        return self._run / f"{name}.json"

    def _read(self, name: str) -> tuple[int, Start] | None:
        """Return process id and start, or None if there is no record."""
        try:
            record = json.loads(self._record(name).read_text())
            return int(record["pid"]), Start.parse(record["start"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _last_lines(self, name: str) -> str:
        log = self.log(name)
        lines = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES_SHOWN:] if log.exists() else []
        return f"Its log, {log}, " + ("ends:\n" + "\n".join(lines) if lines else "is empty.")


_AGAIN = """failed=0
while began=$(date +%s); ! "$@"; do
  [ $(($(date +%s) - began)) -lt 60 ] || failed=0
  failed=$((failed + 1))
  if [ $failed -ge 5 ]; then
    echo "It failed $failed times within a minute each. The lines above say why; mend that, and run ./retailflow up."
    exit 1
  fi
  sleep $((failed * failed))
done"""


def restarted(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command that repeats this one when it fails, after 1, 4, 9 and 16 s. It gives up if it cannot start."""
    return ("/bin/sh", "-c", _AGAIN, "sh", *command)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port just released is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free_port(taken: Iterable[int] = ()) -> int:
    """Return a free port that the system does not assign by itself: it must still be free when it is bound later."""
    while (port := _random.randrange(*_PORTS)) in taken or not is_free(port):
        pass
    return port


def _listens(leader: psutil.Process, port: int) -> bool:
    """Return whether the process or a child of it listens on the port. An answer could come from another process."""
    for process in (leader, *_descendants(leader)):
        with suppress(psutil.Error):
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return True
    return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM during the block, which ends by itself: half a stop would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def cpu_seconds(*processes: psutil.Process) -> float:
    """Return the CPU seconds of these processes and of the children that they have waited for."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds
