"""Compute the expected rows of every table, as a plain fold over RAW that shares no code with the jobs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from .oracle_decode import Received, records
from .oracle_feeds import FEEDS, Broken, Feed, Row
from .oracle_raw import Batch, Store, batches, dates

VERSIONED = ("customers", "products")


@dataclass(frozen=True)
class Record:
    """An element of a feed, and its place: batch, file and position."""

    feed: Feed
    batch: Batch
    file: str
    position: int
    received: Received

    @property
    def ingestion_date(self) -> date:
        return self.batch.ingestion_date

    @cached_property
    def row(self) -> Row | None:
        """The values; None if the record breaks a rule of its feed."""
        try:
            return self.feed.row(self.received.values, self.batch.created_at)
        except Broken:
            return None

    @property
    def key(self) -> tuple:
        return tuple(self.row[name] for name in self.feed.key)

    @property
    def order(self) -> tuple:
        """The total order: it decides which of two records of a key is newer, whichever arrived first."""
        return (self.row[self.feed.version], self.ingestion_date, self.batch.batch_id, self.file, self.position)

    @property
    def place(self) -> Row:
        return {
            "ingestion_date": self.ingestion_date, "_batch_id": self.batch.batch_id, "_source_file": self.file,
            "_position": self.position, "_ingested_at": self.batch.created_at,
        }  # fmt: skip


class Oracle:
    """The expected tables of a RAW container, in its state at the first call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, list[Record]] = {}
        self._current: dict[str, list[Record]] = {}

    def dates(self, name: str) -> list[date]:
        """Return the ingestion dates of a feed that have a manifest."""
        return dates(self._store, name)

    def records(self, name: str) -> list[Record]:
        if name not in self._records:
            self._records[name] = list(self._read(FEEDS[name]))
        return self._records[name]

    def _read(self, feed: Feed) -> Iterator[Record]:
        for day in self.dates(feed.name):
            for batch in batches(self._store, feed.name, day):
                for file, count in batch.files:
                    found = records(feed.form, feed.name, self._store.read(file), feed.fields)
                    assert len(found) == count, f"{file} has {len(found)} records; its manifest says {count}"
                    for position, received in enumerate(found):
                        yield Record(feed, batch, file, position, received)

    def current(self, name: str) -> list[Record]:
        """Return the latest record of each key."""
        if name not in self._current:
            self._current[name] = _latest(_sound(self.records(name)), lambda record: record.key)
        return self._current[name]

    def versions(self, name: str) -> list[Record]:
        """Return the latest record of each key and version."""
        return _latest(_sound(self.records(name)), lambda record: (record.key, record.order[0]))

    def rows(self, name: str) -> list[Row]:
        """Return the values of the latest record of each key."""
        return [record.row for record in self.current(name)]

    def table(self, name: str) -> list[Row]:
        """Return the expected rows of a table of SILVER or quarantine."""
        schema, _, feed = name.partition(".")
        if schema == "quarantine":
            return [record.place for record in self.records(feed) if record.row is None]
        found = self.versions(feed.removesuffix("_history")) if feed.endswith("_history") else self.current(feed)
        return [record.row | record.place for record in found]

    def balances(self, name: str) -> list[Row]:
        """Return the expected balances of a feed, one per ingestion date: how its records are counted (law 2)."""
        winners = {record.key: record for record in self.current(name)}
        counts = {day: Counter() for day in self.dates(name)}
        in_order = sorted(_sound(self.records(name)), key=lambda record: record.order)
        last = {(record.ingestion_date, record.received.said): record.order for record in in_order}
        for record in self.records(name):
            counts[record.ingestion_date][_fate(record, winners, last)] += 1
        fates = ("current", "superseded", "duplicate", "quarantined")
        return [
            {"name": name, "ingestion_date": day, "record_count": count.total()}
            | {"unaccounted_count": 0, "is_closed": True}
            | {f"{fate}_count": count[fate] for fate in fates}
            for day, count in counts.items()
        ]


def _fate(record: Record, winners: dict[tuple, Record], last: dict[tuple, tuple]) -> str:
    """Return how a record is counted. `last` has the order of a date's last record with the same content."""
    if record.row is None:
        return "quarantined"
    winner = winners[record.key]
    if record.order == winner.order:
        return "current"
    return "superseded" if record.order == last[record.ingestion_date, record.received.said] else "duplicate"


def _sound(found: Iterable[Record]) -> Iterator[Record]:
    return (record for record in found if record.row is not None)


def _latest(found: Iterable[Record], of: Callable[[Record], Any]) -> list[Record]:
    latest: dict[Any, Record] = {}
    for record in found:
        best = latest.setdefault(of(record), record)
        if record.order > best.order:
            latest[of(record)] = record
    return list(latest.values())
