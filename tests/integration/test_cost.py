"""A day costs no more than was measured: the counters of the second day of 10,000 records, and of its repetition.

`docs/benchmarks/floor.json` has the measured ones. If a day has to cost more, measure again: `python benchmarks floor`.
"""

import json

import pytest

from retailflow_local.workspace import REPOSITORY

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
ROWS = 10_000
COUNTERS = ("jobs", "commits", "raw_requests", "files_read", "bytes_read", "bytes_written")


def test_no_counter_of_a_day_has_grown(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import floor
    from space import space

    measured = json.loads((REPOSITORY / "docs" / "benchmarks" / "floor.json").read_text())["figures"][str(ROWS)]
    with space() as made:
        floor.run_first_day(made, ROWS)
        found = floor.second_day(made)
    grown = {
        f"{name} of {part}": (found[part][name], measured[part][name])
        for part in ("day", "again")
        for name in COUNTERS
        if found[part][name] > 1.05 * measured[part][name]
    }
    assert grown == {}, "found, and as measured"
