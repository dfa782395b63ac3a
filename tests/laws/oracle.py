"""What every table must hold, as a plain fold over RAW that shares no code with the jobs."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from retailflow.raw import RawStore

from .oracle_feeds import FEEDS, Broken, Feed, Row

VERSIONED = ("customers", "products")


@dataclass(frozen=True)
class Record:
    """An element of a feed, and where it stands. `raw` is None for one that cannot be read."""

    feed: Feed
    ingestion_date: date
    batch_id: str
    delivered_at: datetime
    file: str
    position: int
    raw: Any

    @cached_property
    def row(self) -> Row | None:
        """The values; None where the record breaks the contract of its feed."""
        try:
            return self.feed.row(self.raw)
        except Broken:
            return None

    @property
    def key(self) -> tuple:
        return tuple(self.row[name] for name in self.feed.key)

    @property
    def order(self) -> tuple:
        """The total order: which of two records of a key is the newer, whatever came first."""
        return (self.row[self.feed.version], self.ingestion_date, self.batch_id, self.file, self.position)

    @property
    def place(self) -> Row:
        return {
            "ingestion_date": self.ingestion_date, "_batch_id": self.batch_id, "_source_file": self.file,
            "_position": self.position, "_ingestion_ts": self.delivered_at,
        }  # fmt: skip

    @property
    def told(self) -> Row:
        """What it says: a null field and an absent one are the same."""
        return {name: value for name, value in self.raw.items() if value is not None}


class Oracle:
    """The tables that follow from a RAW container, as it is when they are first asked for."""

    def __init__(self, store: RawStore) -> None:
        self._store = store
        self._records: dict[str, list[Record]] = {}

    def dates(self, name: str) -> list[date]:
        """The ingestion dates of a feed that have a batch."""
        found = re.findall(r"ingestion_date=(\S+?)/_batches/", "\n".join(self._store.names(f"{name}/")))
        return sorted({date.fromisoformat(text) for text in found})

    def records(self, name: str) -> list[Record]:
        if name not in self._records:
            self._records[name] = list(self._read(FEEDS[name]))
        return self._records[name]

    def _read(self, feed: Feed) -> Iterator[Record]:
        for day in self.dates(feed.name):
            for manifest in self._store.manifests(feed.name, day):
                for file in manifest.files:
                    path = f"{feed.name}/ingestion_date={day}/{file.name}"
                    elements = _elements(feed, self._store.read(path))
                    for position, raw in enumerate(elements):
                        yield Record(feed, day, manifest.batch_id, manifest.created_at, path, position, raw)

    def current(self, name: str) -> list[Record]:
        """The newest of each key."""
        return _newest(_sound(self.records(name)), lambda record: record.key)

    def versions(self, name: str) -> list[Record]:
        """The newest of each key and version."""
        return _newest(_sound(self.records(name)), lambda record: (record.key, record.order[0]))

    def rows(self, name: str) -> list[Row]:
        """The values of the newest of each key."""
        return [record.row for record in self.current(name)]

    def table(self, name: str) -> list[Row]:
        """The rows of a table of SILVER or quarantine."""
        schema, _, feed = name.partition(".")
        if schema == "quarantine":
            return [record.place for record in self.records(feed) if record.row is None]
        found = self.versions(feed.removesuffix("_versions")) if feed.endswith("_versions") else self.current(feed)
        return [record.row | record.place for record in found]

    def balances(self, name: str) -> list[Row]:
        """What became of the records of each date of a feed, counted (law 2)."""
        winners = {record.key: record for record in self.current(name)}
        counts = {day: Counter() for day in self.dates(name)}
        last = {(one.ingestion_date, _said(one)): one.order for one in _in_order(_sound(self.records(name)))}
        for record in self.records(name):
            counts[record.ingestion_date][_fate(record, winners, last)] += 1
        fates = ("current", "superseded", "duplicate", "quarantined")
        return [
            {"entity": name, "ingestion_date": day, "record_count": count.total()}
            | {"unaccounted_count": 0, "is_closed": True}
            | {f"{fate}_count": count[fate] for fate in fates}
            for day, count in counts.items()
        ]


def _fate(record: Record, winners: dict[tuple, Record], last: dict[tuple, tuple]) -> str:
    """`last` is the order of the last record of a date that says the same."""
    if record.row is None:
        return "quarantined"
    winner = winners[record.key]
    if record.order == winner.order:
        return "current"
    return "superseded" if record.order == last[record.ingestion_date, _said(record)] else "duplicate"


def _in_order(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.order)


def _said(record: Record) -> str:
    return json.dumps(record.told, sort_keys=True, default=str)


def _sound(records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if record.row is not None)


def _newest(records: Iterable[Record], of) -> list[Record]:
    newest: dict[tuple, Record] = {}
    for record in records:
        best = newest.setdefault(of(record), record)
        if record.order > best.order:
            newest[of(record)] = record
    return list(newest.values())


def _elements(feed: Feed, payload: bytes) -> list[Any]:
    """The records of a file in order; None for one that cannot be read."""
    content = payload.decode()
    if feed.form == "pages":
        return [record for page in json.loads(content) for record in page[feed.name]]
    if feed.form == "document":
        return json.loads(content)[feed.name]
    if feed.form == "lines":
        return [_json(line) for line in content.splitlines()]
    header, *lines = csv.reader(io.StringIO(content, newline=""))
    return [_csv(feed, header, line) for line in lines]


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _csv(feed: Feed, header: list[str], line: list[str]) -> Row | None:
    """An empty field is null; of a field that the feed does not name, nothing is known."""
    if len(line) != len(header):
        return None
    pairs = zip(header, line, strict=True)
    return {name: None if value == "" and name in feed.fields else value for name, value in pairs}
