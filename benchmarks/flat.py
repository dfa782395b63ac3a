"""A day costs what its data costs, not what the years behind it do: the same day and maintenance after two histories.

The benchmark runs all feeds through all layers, then the maintenance of all tables. Each history has its own
workspace. RAW has the measured day and the day before; the years before them are built from a folder.
"""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import partial

import history
from space import keep_up, run_day, space
from targets import Target

from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.world import ALL_FEEDS, World

MEASURED = date(2026, 1, 15)
SEED, SCALE = 7, 0.02
LENGTHS = (30, 730)
GATED = {
    "jobs": "Spark jobs",
    "files_read": "data files read",
    "bytes_read": "bytes read",
    "raw_looks": "lists and heads of RAW",
}


def measure(*lengths: int) -> dict:
    return {str(days): behind(days) for days in lengths or LENGTHS}


def behind(days: int) -> dict[str, Counter[str]]:
    """Return counters and seconds of the day, of the same day again, and of maintenance, after `days` of history."""
    with space() as made:
        raw, world = made.raw_store(), World(SEED, SCALE)
        before = [MEASURED - timedelta(days=number) for number in range(days, 0, -1)]
        years = history.Folder(made.root / "years")
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(partial(deliver_day, years, world, feeds=ALL_FEEDS), before[:-1], chunksize=8))
        with made.tables() as tables:
            history.build(tables, years, years.root.as_uri(), before[:-1])
        for day in (before[-1], MEASURED):
            deliver_day(raw, world, day, feeds=ALL_FEEDS)
        run_day(made, before[-1])  # warms the workspace, and leaves the state that daily runs leave
        keep_up(made)
        return {
            "day": made.measured(lambda: run_day(made, MEASURED)),
            "again": made.measured(lambda: run_day(made, MEASURED)),
            "upkeep": made.measured(lambda: keep_up(made)),
        }


def targets(figures: dict) -> list[Target]:
    """Return targets that compare the longest history with the shortest."""
    fewest, most = min(map(int, figures)), max(map(int, figures))
    shortest, longest = figures[str(fewest)], figures[str(most)]
    days = f"{most} days behind it, as a multiple of {fewest}"
    looks = Target("Lists and heads of RAW a feed and day", 2, round(longest["day"]["raw_looks"] / len(ALL_FEEDS), 1))
    return [looks] + [
        Target(f"{title} of {part}, {days}", limit, round(longest[part][name] / max(1, shortest[part][name]), 3))
        for part in ("day", "upkeep")
        for name, title, limit in [*((name, title, 1.0) for name, title in GATED.items()), ("cpu_seconds", "CPU", 1.15)]
    ]
