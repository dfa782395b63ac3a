"""When a process started, so that a later process with the same id is not taken for it.

The clock is no proof: time servers set it, and it stops while a machine sleeps. The kernel counts ticks since it
booted, and names each boot.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Start:
    """The start of a process: a boot of the machine, and ticks since then."""

    boot: str
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the start of a process, or None if the process does not exist."""
        try:
            if _BOOT.exists():
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                return cls(_BOOT.read_text().strip(), int(fields[19]))
            return cls(f"{psutil.boot_time():.0f}", int(psutil.Process(pid).create_time() * 100))  # not Linux
        except (OSError, psutil.Error, IndexError):
            return None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text that `str` returned. Raises: ValueError."""
        boot, ticks = text.split()
        return cls(boot, int(ticks))

    def __str__(self) -> str:
        return f"{self.boot} {self.ticks}"

    def is_of(self, pid: int) -> bool:
        """Return whether the process with that id is the one that started then."""
        return Start.of(pid) == self

    def may_have_started(self, pid: int) -> bool:
        """Return whether this process may have started the other: it has the same boot and is not older."""
        other = Start.of(pid)
        return other is not None and other.boot == self.boot and other.ticks >= self.ticks
