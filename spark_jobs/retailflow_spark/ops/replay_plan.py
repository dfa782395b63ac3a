"""Plan a replay: the dates of feeds to rebuild, and how many rows that reads, from the run log, RAW and quarantine."""

import json
import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from os.path import commonprefix

from pyspark.sql import functions as F

from retailflow.contracts import feed_contract, feeds
from retailflow.environments import Environment
from retailflow.raw import RawStore, batch_ids, day_path, is_complete, plan_path
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.entry import databricks_run_id, ingestion_date, one_of, options
from retailflow_spark.job.run_log import TASK_RUNS, built_with

# Per feed and ingestion date, the number of records that its newest run of BRONZE read; None if it has never run.
Plan = dict[str, dict[str, int | None]]
Day = tuple[str, date]


@dataclass(frozen=True)
class Selection:
    """Selects dates of these feeds, from the first to the last date, both included. By `kind` these are dates:

    range: that are complete in RAW. The daily run waits for the others.
    late: that are complete and had a run of BRONZE, and have a batch that no run of BRONZE has read.
    quarantined: with rows in quarantine that SILVER validated against another version of the contract.
    outdated: whose BRONZE or SILVER was built with another contract or code than the current one.
    """

    kind: str
    feeds: tuple[str, ...]
    first_date: date
    last_date: date

    @property
    def days(self) -> Iterator[Day]:
        """Every date of every feed."""
        for name in self.feeds:
            for number in range((self.last_date - self.first_date).days + 1):
                yield name, self.first_date + timedelta(days=number)


@dataclass(frozen=True)
class _Known:
    """The newest run of a date, and the batches that its runs have read."""

    rows_read: int | None
    contract_version: str
    built_with: str | None
    batches: frozenset[str]


Runs = dict[Day, _Known]


def arguments(argv: list[str] | None = None) -> tuple[Environment, Selection, str]:
    """Parse the options of the script: environment, selection, run id. Exits with a message if one is invalid."""
    one_feed = one_of("feed", [contract.name for contract in feeds()])
    given = options(
        {
            "selection": one_of("selection", ["range", "late", "quarantined", "outdated"]),
            "feeds": lambda text: tuple(one_feed(name) for name in text.split(",")),
            "first-date": ingestion_date,
            "last-date": ingestion_date,
            "run-id": databricks_run_id,
        },
        argv,
    )
    if given.last_date < given.first_date:
        sys.exit(f"the last date {given.last_date} is before the first, {given.first_date}")
    selection = Selection(given.selection, given.feeds, given.first_date, given.last_date)
    return given.env, selection, given.run_id


def leave(raw: RawStore, run_id: str, plan: Plan) -> None:
    """Leave the plan of a run for Airflow."""
    raw.create(plan_path(run_id), json.dumps(plan).encode())
    print(f"{sum(map(len, plan.values())):,} dates of {len(plan)} feeds; the plan is {plan_path(run_id)} in RAW")


def select(tables: Tables, raw: RawStore, selection: Selection) -> Plan:
    """Return the dates to rebuild, in order. It reads names in RAW, not files."""
    bronze, silver = (_runs(tables, selection, layer) for layer in ("bronze", "silver"))
    if selection.kind == "outdated":
        runs = {"bronze": bronze, "silver": silver}
        chosen = sorted({day for layer, known in runs.items() for day in known if _is_outdated(layer, *day, known)})
    elif selection.kind == "quarantined":
        chosen = _quarantined(tables, silver)
    else:
        listed = _Listed(raw, selection)
        chosen = [day for day in selection.days if is_complete(listed, *day)]
        if selection.kind == "late":
            chosen = [day for day in chosen if day in bronze and batch_ids(listed, *day) - bronze[day].batches]
        else:
            print(f"{len(list(selection.days)) - len(chosen)} dates are not complete in RAW and are left out")
    plan: Plan = {}
    for name, day in sorted(chosen):
        plan.setdefault(name, {})[day.isoformat()] = bronze[name, day].rows_read if (name, day) in bronze else None
    return plan


class _Listed(RawStore):
    """RAW from one listing per feed. Checking any number of dates needs no further request."""

    def __init__(self, raw: RawStore, selection: Selection) -> None:
        ends = (selection.first_date, selection.last_date)
        folders = ([day_path(name, day) for day in ends] for name in selection.feeds)
        # The common prefix of the dates' folders, for example `orders/ingestion_date=2026-0`.
        self._names = sorted(name for prefix in map(commonprefix, folders) for name in raw.names(prefix))

    def exists(self, path: str) -> bool:
        return path in self.names(path)

    def names(self, prefix: str) -> list[str]:
        first, after = (bisect_left(self._names, end) for end in (prefix, f"{prefix}{chr(sys.maxunicode)}"))
        return self._names[first:after]


def _runs(tables: Tables, selection: Selection, layer: str) -> Runs:
    """Return the runs of the selected feeds and dates in the run log."""
    if not tables.spark.catalog.tableExists(tables.path(TASK_RUNS)):
        return {}
    is_asked = F.col("name").isin(*selection.feeds) & (F.col("layer") == layer)
    rows = tables.read(TASK_RUNS).where(
        is_asked & F.col("ingestion_date").between(F.lit(selection.first_date), F.lit(selection.last_date))
    )
    newest = (F.max_by(name, "started_at").alias(name) for name in ("rows_read", "contract_version", "built_with"))
    batches = F.flatten(F.collect_set("batches")).alias("batches")
    return {
        (row.name, row.ingestion_date): _Known(
            row.rows_read, row.contract_version, row.built_with, frozenset(row.batches)
        )
        for row in rows.groupBy("name", "ingestion_date").agg(*newest, batches).collect()
    }


def _is_outdated(layer: str, name: str, day: date, known: Runs) -> bool:
    return known[name, day].built_with != built_with(layer, feed_contract(name))


def _quarantined(tables: Tables, silver: Runs) -> Iterator[Day]:
    """Yield the dates that were validated against another version of the contract and have rows in quarantine."""
    outdated: dict[str, list[date]] = {}
    for (name, day), run in silver.items():
        if run.contract_version != feed_contract(name).version:
            outdated.setdefault(name, []).append(day)
    for name, days in outdated.items():
        quarantined = tables.read(feed_contract(name).quarantine.name).where(F.col("ingestion_date").isin(days))
        yield from ((name, row.ingestion_date) for row in quarantined.select("ingestion_date").distinct().collect())
