"""Run benchmarks and store their results: `python benchmarks [NAME [SIZE …]]`, without a name all of them.

`docs/benchmarks/NAME.json` has the figures of each benchmark and the machine that ran it; the README there lists all
targets. Results for other sizes are only printed. Exit code 1 if a target is missed.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import psutil
from targets import Target

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "benchmarks"
NAMES = ("parse", "amplification", "floor", "flat", "peers", "scale", "orchestration", "sensors")


def main(names: tuple[str, ...], sizes: tuple[int, ...]) -> int:
    is_missed = False
    for name in names:
        module = import_module(name)
        figures = module.measure(*sizes)
        targets = module.targets(figures)
        print(json.dumps(figures, indent=1))
        for target in targets:
            print(_line(target))
        is_missed |= any(not target.is_met and not target.reported for target in targets)
        if not sizes:
            _write(name, module.__doc__.partition(":")[0], figures, targets)
    return int(is_missed)


def _write(name: str, claim: str, figures: dict, targets: list[Target]) -> None:
    RESULTS.mkdir(exist_ok=True)
    result = {"claim": claim, "run": run(), "figures": figures, "targets": [vars(target) for target in targets]}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "README.md").write_text(page({path.stem: json.loads(path.read_text()) for path in _results()}))


def _results() -> list[Path]:
    return [path for name in NAMES if (path := RESULTS / f"{name}.json").exists()]


def run() -> dict[str, str | float]:
    """Return the date, the commit and the machine of this run."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }


def page(results: dict[str, dict]) -> str:
    """Return all results as Markdown."""
    lines = ["<!-- Written by `python benchmarks`. Do not edit. -->", "# What was measured", ""]
    lines += ["[FINDINGS](FINDINGS.md) explains where the time goes.", ""]
    for name, result in results.items():
        run = result["run"]
        lines += [f"## [{name}]({name}.json)", "", result["claim"], ""]
        lines += [
            f"{run['date']}, {run['commit']}: {run['cores']} cores, {run['memory_gib']} GiB, {run['system']}.",
            "",
        ]
        lines += [_line(Target(**target)) for target in result["targets"]] + [""]
    return "\n".join(lines)


def _line(target: Target) -> str:
    verdict = "met" if target.is_met else "not reached (an aim)" if target.reported else "**missed**"
    return f"- {target.claim}: {target.found:g}, at most {target.limit:g}: {verdict}"


if __name__ == "__main__":
    _, *words = sys.argv
    sys.exit(main((words[0],) if words else NAMES, tuple(map(int, words[1:]))))
