"""The page of benchmark results agrees with the results."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "benchmarks"


def test_the_page_is_written_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    command = runpy.run_path(str(ROOT / "benchmarks" / "__main__.py"), run_name="benchmarks")
    results = {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    assert results and results.keys() <= set(command["NAMES"])
    in_order = {name: results[name] for name in command["NAMES"] if name in results}
    assert (RESULTS / "README.md").read_text() == command["page"](in_order)
    missed = sum(
        not target["reported"] and target["found"] > target["limit"]
        for one in results.values()
        for target in one["targets"]
    )
    assert command["page"](in_order).count("**missed**") == missed
