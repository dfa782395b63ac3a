"""Queries the run log about a table: its rows on the day and before, changes of code and contract, publications."""

import time
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from statistics import median
from typing import Any, Protocol

from retailflow_airflow.incident.model import Count, Downstream
from retailflow_airflow.patience import within

_USUAL_RUNS = 28
_LOOK_BACK = timedelta(days=60)
_COUNTED = {"rows_read": "read", "rows_written": "written", "rows_quarantined": "quarantined"}
_RUNS = """
SELECT layer, ingestion_date, rows_read, rows_written, rows_quarantined, code_version, contract_version, started_at
FROM ops.task_attempts WHERE name = :name AND ingestion_date BETWEEN :first AND :last ORDER BY started_at"""
_LAST_DATES = """
SELECT concat(layer, '.', name) AS name, max(ingestion_date) AS last_date
FROM ops.task_attempts WHERE ingestion_date >= :first GROUP BY layer, name"""
_MADE = "SELECT DISTINCT concat(layer, '.', name) AS name FROM ops.task_attempts WHERE ingestion_date = :day"
_SILVER = """
SELECT ingestion_date, collect_set(name) AS names FROM ops.task_attempts
WHERE layer = 'silver' AND ingestion_date BETWEEN :first AND :last GROUP BY ingestion_date"""
_PUBLISHED = """
SELECT name, max(published_at) AS published_at
FROM (SELECT explode(moved) AS name, published_at FROM ops.releases) GROUP BY name"""
Row = Mapping[str, Any]


class Source(Protocol):
    """The part of retailflow_airflow.warehouse.Warehouse that `RunLog` uses."""

    def rows(self, statement: str, **parameters: str | int | date) -> list[dict[str, Any]]: ...


class RunLog:
    """Queries the warehouse about runs. After the first failed query, all others fail at once.

    One run of the watch renders many cards and must not wait for each.

    Every method raises the warehouse's errors, and TimeoutError if all queries together take longer than
    `patience_seconds` (None: as long as the warehouse itself waits).
    """

    def __init__(self, warehouse: Source, patience_seconds: float | None = None) -> None:
        self._warehouse = warehouse
        self._until = None if patience_seconds is None else time.monotonic() + patience_seconds
        self._error: Exception | None = None

    def runs(self, name: str, day: date) -> list[Row]:
        """Return the runs of a feed or GOLD table in all layers, for the day and the 60 days before, oldest first."""
        return self._rows(_RUNS, name=name, first=day - _LOOK_BACK, last=day)

    def made(self, day: date) -> frozenset[str]:
        """Return the tables that any run made for the day."""
        return frozenset(row["name"] for row in self._rows(_MADE, day=day))

    def silver(self, first: date, last: date) -> dict[date, list[str]]:
        """Return, for each ingestion date from `first` to `last`, the feeds whose SILVER any run made."""
        return {row["ingestion_date"]: row["names"] for row in self._rows(_SILVER, first=first, last=last)}

    def downstream(self, names: Iterable[str], day: date) -> tuple[Downstream, ...]:
        """Return the newest ingestion date and the last publication of each of these tables."""
        last = {row["name"]: row["last_date"] for row in self._rows(_LAST_DATES, first=day - _LOOK_BACK)}
        published = {row["name"]: row["published_at"] for row in self._rows(_PUBLISHED)}
        return tuple(Downstream(name, last.get(name), published.get(name)) for name in names)

    def _rows(self, statement: str, **parameters: str | int | date) -> list[Row]:
        if self._error:
            raise self._error
        try:
            return self._asked(statement, parameters)
        except Exception as error:
            if "TABLE_OR_VIEW_NOT_FOUND" in str(error):  # the first run creates the table
                return []
            self._error = error
            raise

    def _asked(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        ask = partial(self._warehouse.rows, statement, **parameters)
        return ask() if self._until is None else within(max(self._until - time.monotonic(), 0), ask)


def counts(found: Iterable[Row], day: date) -> tuple[Count, ...]:
    """Return, for each layer, the rows of its newest run of the day, and the median of the last 28 dates before."""
    newest = {(row["layer"], row["ingestion_date"]): row for row in found}
    said = []
    for layer in ("bronze", "silver", "gold"):
        before = [row for (where, when), row in sorted(newest.items()) if where == layer and when < day]
        today = newest.get((layer, day))
        for column, what in _COUNTED.items():
            usual = [row[column] for row in before[-_USUAL_RUNS:] if row[column] is not None]
            now = today[column] if today else None
            if usual or now is not None:
                said.append(Count(layer, what, now, round(median(usual)) if usual else None))
    return tuple(said)


def changes(found: Iterable[Row]) -> tuple[str, ...]:
    """Return the last change of the code and of the contract, as one sentence each; empty if there was no change."""
    said = {}
    before: dict[str, Row] = {}
    for row in found:
        earlier = before.get(row["layer"])
        for column, what in (("code_version", "Code"), ("contract_version", "Contract")):
            if earlier and earlier[column] != row[column]:
                when = f"{row['started_at']:%Y-%m-%d %H:%M} UTC"
                said[what] = f"{what} {earlier[column]} → {row[column]}, first run at {when} ({row['layer']})"
        before[row["layer"]] = row
    return tuple(said[what] for what in sorted(said))
