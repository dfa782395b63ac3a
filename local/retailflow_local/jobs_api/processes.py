"""A task's processes: all processes in the session that its first process leads."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from retailflow_local.starts import Start

_PATIENCE_SECONDS = 2.0
_GONE = (psutil.NoSuchProcess, ProcessLookupError, PermissionError)


@dataclass(frozen=True)
class Leader:
    """A process id and its start, which a later process with the same id does not have; None if it ended at once."""

    pid: int
    start: Start | None

    @classmethod
    def of(cls, pid: int) -> "Leader":
        return cls(pid, Start.of(pid))

    def processes(self) -> list[psutil.Process]:
        """Return the living processes, also those that outlive the leader. Empty if another process has its id."""
        if self.start is None:
            return []
        members = []
        for pid in psutil.pids():
            with suppress(*_GONE):
                # Find the leader by its id: just after the fork it is not yet in its own session.
                if pid != self.pid and os.getsid(pid) != self.pid:
                    continue
                process = psutil.Process(pid)
                if pid == self.pid and not self.start.is_of(pid):
                    return []
                if not self.start.may_have_started(pid):
                    continue
                if process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
        return members


def terminate(leader: Leader) -> None:
    """End the whole session with SIGTERM, and after 2 s with SIGKILL. Returns when none of its processes is left."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    asked: set[int] = set()
    while members := leader.processes():
        patient = time.monotonic() < deadline
        for process in members:
            if not patient or process.pid not in asked:
                asked.add(process.pid)
                with suppress(*_GONE):
                    process.send_signal(signal.SIGTERM if patient else signal.SIGKILL)
        time.sleep(0.05)
