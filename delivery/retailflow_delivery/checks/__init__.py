"""The checks of `./retailflow check`: they cover what cannot run on this machine, for example the platform in Azure.

A check returns a short summary, or raises `Failed` or `Skipped`. Users select checks by name.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class Failed(Exception):
    """A check has failed; the text has one line per problem."""


class Skipped(Exception):
    """A check could not run; the text says why, and how to make it run."""


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
    """Run all checks in order, even if some fail, and yield the result of each."""
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
    """Return the paths of generated files that are missing or differ from the wanted text."""
    return [
        str(path.relative_to(root)) for path, text in wanted.items() if not path.exists() or path.read_text() != text
    ]
