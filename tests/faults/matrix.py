"""The results of the fault matrix, and the page that shows them."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, RESULTS = DOCS / "faults.md", DOCS / "faults.json"
GROUPS = {
    "payments": "Jobs of payments, with publication",
    "customers": "Jobs of customers, which keep versions",
    "orders": "Jobs of orders",
    "stack": "The whole stack with Airflow",
}
_HEAD = """# Fault matrix

Every cell injects one fault at one point of a run, repeats the run as Airflow would, and compares all its output with a
clean run of the same RAW. A cell shows **rows lost / rows doubled / runs doubled**.
`./retailflow test --full tests/faults` writes this page, one group at a time.

- Rows: the rows of every table of the job, as multisets, and of the published view. These count too: a duplicate key,
  a date whose balance does not close, and a job without a row in the run log for any of its tries.
- Runs: rows of the run log beyond one per try; Databricks runs beyond one per try of a task.
- **killed before**: kill -9 of the job's process just before it sends the write. **killed while**: kill -9, and
  interruption of its query, after half the time of the write. **answer lost**: the write succeeds, but the job sees
  a broken connection, as if it were killed then.
"""


@dataclass(frozen=True)
class Cell:
    """One fault at one point. The three numbers must be 0."""

    group: str
    point: str
    fault: str
    rows_lost: int
    rows_doubled: int
    runs_doubled: int

    @property
    def is_clean(self) -> bool:
        return not (self.rows_lost or self.rows_doubled or self.runs_doubled)

    def __str__(self) -> str:
        return f"{self.rows_lost} / {self.rows_doubled} / {self.runs_doubled}"


@dataclass
class Matrix:
    """The cells of this run. `save` replaces a group of an earlier run with the same group of this run."""

    cells: list[Cell] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    # Databricks runs that were still active although their task had the result of another run: the reaper stops them.
    left: list[str] = field(default_factory=list)

    def add(self, cell: Cell) -> Cell:
        self.cells.append(cell)
        print(f"{cell}  {cell.point}: {cell.fault}", flush=True)
        return cell

    def broken(self, group: str) -> list[str]:
        return [f"{c.point}, {c.fault}: {c}" for c in self.cells if c.group == group and not c.is_clean]

    def save(self, group: str) -> None:
        """Store the results of a finished group, clean or not, and rewrite the page."""
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        kept[group] = {
            "on": f"{datetime.now(UTC):%Y-%m-%d}",
            "minutes": round((time.monotonic() - self.began) / 60),
            "cells": [
                [c.point, c.fault, c.rows_lost, c.rows_doubled, c.runs_doubled] for c in self.cells if c.group == group
            ],
            "left": self.left if group == "stack" else [],
        }
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        PAGE.write_text(page(kept))
        self.began = time.monotonic()


def page(results: dict[str, Any]) -> str:
    groups = {group: [Cell(group, *cell) for cell in found["cells"]] for group, found in results.items()}
    cells = [cell for found in groups.values() for cell in found]
    broken = sum(not cell.is_clean for cell in cells)
    text = f"{_HEAD}\n**{len(cells)} cells, {broken} of them not 0 / 0 / 0.**\n"
    for group, title in GROUPS.items():
        if group in results:
            found = results[group]
            text += f"\n## {title}\n\nRun on {found['on']}, in {found['minutes']} minutes.\n\n{_table(groups[group])}"
            text += "".join(f"\n- left for the reaper: {line}\n" for line in found["left"])
    return text


def _table(cells: list[Cell]) -> str:
    """Return a table with one row per point and one column per fault, or one row per cell if most would be empty."""
    points, faults = _distinct(c.point for c in cells), _distinct(c.fault for c in cells)
    found = {(cell.point, cell.fault): str(cell) for cell in cells}
    if len(found) < len(points) * len(faults) / 2:
        rows = [["Fault", "Point", "Result"], *([cell.fault, cell.point, str(cell)] for cell in cells)]
    else:
        rows = [["Write", *faults], *([point, *(found.get((point, f), "") for f in faults)] for point in points)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
