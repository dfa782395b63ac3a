"""What `./retailflow check` runs: named checks of what cannot run on this machine, as the platform in Azure.

A check returns what it found in order, or raises `Failed` or `Skipped`. Its name is what a person chooses it by.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class Failed(Exception):
    """What is wrong, a line each."""


class Skipped(Exception):
    """Why a check could not be made, and what would make it."""


@dataclass(frozen=True)
class Check:
    name: str
    run: Callable[[], str]


@dataclass(frozen=True)
class Result:
    name: str
    verdict: Literal["pass", "FAIL", "SKIPPED"]
    said: str
    seconds: float


def results(checks: Iterable[Check]) -> Iterator[Result]:
    """One after the other, all of them whatever fails."""
    for check in checks:
        began = time.monotonic()
        try:
            verdict, said = "pass", check.run()
        except Failed as failure:
            verdict, said = "FAIL", str(failure)
        except Skipped as reason:
            verdict, said = "SKIPPED", str(reason)
        yield Result(check.name, verdict, said, time.monotonic() - began)


def stale(root: Path, wanted: dict[Path, str]) -> list[str]:
    """The written files that are absent or hold something else."""
    return [
        str(path.relative_to(root)) for path, text in wanted.items() if not path.exists() or path.read_text() != text
    ]
