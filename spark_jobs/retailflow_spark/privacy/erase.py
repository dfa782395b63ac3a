"""Erasure, step by step: find and count the records of the requested customers, confirm, and redact them in RAW.

The tables are a function of RAW. So a person is redacted in RAW, and the dates are rebuilt as in any replay. The last
step deletes the files of older versions (purge.py; docs/adr/0007).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from pyspark.sql import Row
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.manifests import counted
from retailflow.raw import Kept, RawStore
from retailflow_spark.bronze.decode import decode
from retailflow_spark.bronze.encoding import BadFile
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import TASK_RUNS
from retailflow_spark.privacy import requests
from retailflow_spark.privacy.redaction import dead_files, redact
from retailflow_spark.privacy.search import Browser, browsers_of, present, record_of, records_of_subjects
from retailflow_spark.privacy.subjects import Found, Subjects

_IN_PARALLEL = 8  # requests to RAW
Plan = dict[str, dict[str, int]]


@dataclass
class Findings:
    """What an erasure would touch: records by feed and date and by the way they were found, and browsers left out."""

    plan: Plan = field(default_factory=dict)
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    doubtful: list[Browser] = field(default_factory=list)

    @property
    def records(self) -> int:
        """The number of records, of all feeds and dates."""
        return sum(sum(days.values()) for days in self.plan.values())

    def confirmation(self, subjects: Subjects) -> str:
        """Return the code that confirms exactly these findings: 12 hexadecimal digits."""
        said = json.dumps([self.plan, sorted(subjects.customers), sorted(subjects.browsers)], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def add(self, contract: FeedContract, day: date, found: str, count: int) -> None:
        """Add records of a feed and date; `found` says how they were found."""
        days = self.plan.setdefault(contract.name, {})
        days[str(day)] = days.get(str(day), 0) + count
        self.by_kind[contract.name, found] += count

    def report(self) -> None:
        """Print the numbers of the findings, never their content."""
        for name, days in sorted(self.plan.items()):
            kinds = ", ".join(f"{n:,} by {kind}" for (feed, kind), n in sorted(self.by_kind.items()) if feed == name)
            print(f"{name}: {sum(days.values()):,} records on {len(days)} dates ({kinds})")
        for browser in self.doubtful:
            print(f"left alone: {browser}. {browser.advice}")


def find(
    tables: Tables,
    store: RawStore,
    *,
    customers: Sequence[str] = (),
    browsers: Sequence[str] = (),
    confirm: str | None = None,
    unconfirmed_records: int = 0,
) -> Plan:
    """Record new requests, search for all open ones, and return what may be redacted: nothing until it is confirmed.

    For closed requests it searches only what BRONZE has received since the last search; these findings need no further
    confirmation. Without any request it reads no table.

    Args:
        customers: digests of customers to add.
        browsers: digests of browsers to erase although other people used them too.
        confirm: the code that an earlier run printed.
        unconfirmed_records: findings of at most this many records need no confirmation.

    Returns: the number of records to redact, by feed and ingestion date.

    Raises: RequestError.
    """
    requests.request(tables, customers)
    requests.request(tables, browsers, requests.BROWSER_KIND)
    known, began = requests.rows(tables), datetime.now(UTC)
    if not known or not present(tables):
        return {}
    closed = [row for row in known if row.erased_at]
    waiting = [row for row in known if not row.erased_at and not row.confirmed_at]
    if waiting and not (customers or browsers or confirm):
        print(f"Requests that wait for a confirmation: {len(waiting)}. Trigger retailflow_erase with one of them")
    elif waiting:
        _confirm(tables, store, waiting, confirm, unconfirmed_records)
    findings = Findings()
    if open_ := [row for row in requests.rows(tables) if row.confirmed_at and not row.erased_at]:
        _look_for(tables, store, requests.subjects_of(open_), findings)
    if closed:
        _look_for_returned(tables, closed, findings)
    findings.report()
    requests.mark(tables, [row.subject_sha256 for row in requests.rows(tables)], looked_at=began)
    return findings.plan


def _confirm(tables: Tables, store: RawStore, waiting: list[Row], confirm: str | None, most: int) -> None:
    """Print what the erasure of these requests would touch. Confirm them if the code is right or records are few."""
    customers = requests.subjects_of(waiting).customers
    asked = {row.subject_sha256 for row in waiting if row.kind == requests.BROWSER_KIND}
    seen = browsers_of(tables, Subjects(customers))
    theirs_too = asked | {browser.sha256 for browser in seen if browser.belongs_to_them}
    subjects = Subjects(customers, dict.fromkeys(theirs_too, datetime.now(UTC)))
    findings = Findings(doubtful=[browser for browser in seen if browser.sha256 not in theirs_too])
    _look_for(tables, store, subjects, findings)
    code = findings.confirmation(subjects)
    if findings.records <= most or confirm == code:
        # After their events have gone, nothing shows any more whose browsers these were.
        requests.request(tables, theirs_too, requests.BROWSER_KIND)
        requests.mark(tables, [*customers, *theirs_too], confirmed_at=datetime.now(UTC))
        return
    findings.report()
    said = "The numbers differ from those that were confirmed, so nothing" if confirm else "Nothing"
    print(f"{said} is redacted. To erase these, trigger retailflow_erase with confirm = {code}")


def _look_for(tables: Tables, store: RawStore, subjects: Subjects, findings: Findings) -> None:
    for contract in present(tables):
        for row in records_of_subjects(tables, contract, subjects).groupBy("ingestion_date", "found").count().collect():
            findings.add(contract, row.ingestion_date, row.found, row["count"])
        for (day, _), fates in in_dead_files(store, contract, subjects).items():
            for found, count in Counter(fates.values()).items():
                findings.add(contract, day, found, count)


def _look_for_returned(tables: Tables, closed: list[Row], findings: Findings) -> None:
    """Add records of closed requests that arrived after the last search. If there are any, reopen the requests."""
    subjects, before = requests.subjects_of(closed), findings.records
    since = min(
        (row.looked_at.astimezone(UTC) for row in closed if row.looked_at), default=datetime(1970, 1, 1, tzinfo=UTC)
    )
    for contract in present(tables):
        if days := _loaded_since(tables, contract, since):
            rows = (
                records_of_subjects(tables, contract, subjects, days)
                .groupBy("ingestion_date", "found")
                .count()
                .collect()
            )
            for row in rows:
                findings.add(contract, row.ingestion_date, row.found, row["count"])
    if findings.records > before:
        print("records of persons who were erased before have arrived again")
        requests.mark(tables, [row.subject_sha256 for row in closed], rebuilt_at=None, erased_at=None)


def _loaded_since(tables: Tables, contract: FeedContract, since: datetime) -> list[date]:
    """Return the ingestion dates that runs of BRONZE have written since then."""
    if not tables.spark.catalog.tableExists(tables.path(TASK_RUNS)):
        return []
    ended = F.unix_micros("started_at") + (F.col("seconds") * 1_000_000).cast("bigint")
    is_new = ended >= int(since.timestamp() * 1_000_000)
    runs = tables.read(TASK_RUNS).where((F.col("layer") == "bronze") & (F.col("name") == contract.name) & is_new)
    return [row.ingestion_date for row in runs.select("ingestion_date").distinct().collect()]


def in_dead_files(
    store: RawStore, contract: FeedContract, subjects: Subjects, days: Iterable[date] | None = None
) -> dict[tuple[date, str], dict[int, Found]]:
    """Find records of the subjects in files that no batch names. Returns by date and path how each position was found.

    A file that cannot be decoded counts as one record if its text contains one of their ids.
    """

    def of_day(day: date) -> dict[tuple[date, str], dict[int, Found]]:
        paths = dead_files(store, contract.name, day)
        found = {path: _fates(store.read(path), contract, subjects) for path in paths}
        return {(day, path): fates for path, fates in found.items() if fates}

    with ThreadPoolExecutor(_IN_PARALLEL) as pool:
        found = pool.map(of_day, store.dates(contract.name) if days is None else days)
        return {place: fates for one in found for place, fates in one.items()}


def _fates(payload: bytes, contract: FeedContract, subjects: Subjects) -> dict[int, Found]:
    try:
        batches = decode(payload, contract.format, contract.name, contract.feed_columns)
        rows = [row for batch in batches for row in batch.to_pylist()]
    except BadFile:
        return {0: Found.BY_TEXT} if subjects.in_text(payload.decode("utf-8", "replace")) else {}
    decided = ((position, subjects.fate(record_of(row, contract))) for position, row in enumerate(rows))
    return {position: fate for position, fate in decided if fate}


def redact_day(tables: Tables, store: RawStore, contract: FeedContract, ingestion_date: date, run_id: str) -> int:
    """Redact the batches of a date in RAW for all confirmed requests. Returns the number of redacted records.

    Safe to repeat.
    """
    subjects = requests.subjects_of(row for row in requests.rows(tables) if row.confirmed_at)
    found = records_of_subjects(tables, contract, subjects, [ingestion_date]).collect()
    done = 0
    for batch in counted(store.manifests(contract.name, ingestion_date)):
        files: dict[str, dict[int, Found]] = defaultdict(dict)
        for row in found:
            if row._batch_id == batch.batch_id:
                files[row._source_file.rpartition("/")[2]][row._position] = Found(row.found)
        if files:  # else it has none of them, or BRONZE has not been rebuilt from it yet
            count = sum(map(len, files.values()))
            requests.receipt(tables, contract, ingestion_date, batch.batch_id, count, run_id)
            redact(store, contract, batch, files, subjects)
            done += count
    return done + sweep(tables, store, contract, ingestion_date, subjects, run_id).records


class Swept(NamedTuple):
    """The number of records in the deleted files, and by path the reasons why other files stay."""

    records: int
    kept: dict[str, Kept]


def sweep(tables: Tables, store: RawStore, contract: FeedContract, day: date, subjects: Subjects, run_id: str) -> Swept:
    """Delete the files of a date that no batch names and that contain records of the subjects."""
    records, kept = 0, {}
    for (_, path), fates in in_dead_files(store, contract, subjects, [day]).items():
        requests.receipt(tables, contract, day, path.rpartition("/")[2], len(fates), run_id)
        if why := store.delete(path):
            print(f"{path} stays for now: {why}")
            kept[path] = why
        else:
            records += len(fates)
    return Swept(records, kept)
