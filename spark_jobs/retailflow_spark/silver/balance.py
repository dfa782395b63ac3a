"""The balance: every record of a date is current, superseded, duplicate or in quarantine; none is lost or doubled.

A run counts the tables as it left them, in both directions: each record of RAW is in BRONZE and is one of the four, and
each row of SILVER has its record. When a record of another date replaces a row, the counts of the row's date change by
the rows of the commit, without reading the records of that date again (docs/adr/0009).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import pyarrow.compute as pc
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.contracts.model import ORDER, PLACE
from retailflow_spark.delta.reader import CHANGE, COMMIT
from retailflow_spark.delta.spans import near
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import LATEST_BALANCE, RECOUNT, RUNS
from retailflow_spark.silver.known import Known
from retailflow_spark.silver.profile import DayProfile, fingerprint, places_of
from retailflow_spark.silver.validate import typed_key


class BalanceError(RuntimeError):
    """A run lost or doubled records. Its writes stay, and the next run of the date repairs them or fails again."""


@dataclass(frozen=True)
class Balance:
    """Counts of the records of one date."""

    record: int
    current: int
    superseded: int
    duplicate: int
    quarantined: int

    @property
    def unaccounted(self) -> int:
        """The number of records that are none of the four; negative if some are two of them."""
        return self.record - self.current - self.superseded - self.duplicate - self.quarantined

    def row(self, ingestion_date: date, is_closed: bool) -> dict[str, Any]:
        """Return the balance as an element of `balances` in `ops.runs`."""
        counts = {f"{item.name}_count": getattr(self, item.name) for item in fields(Balance)}
        counts["unaccounted_count"] = self.unaccounted
        return {"ingestion_date": ingestion_date, **counts, "is_closed": is_closed}


@dataclass(frozen=True)
class Count:
    """The balance of a date. `lacking` records of RAW are not in BRONZE; `stray` rows of SILVER have no record."""

    balance: Balance
    lacking: int = 0
    stray: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether the numbers add up."""
        return self.balance.unaccounted == self.lacking == self.stray == 0

    def raise_if_open(self, feed: str, ingestion_date: date) -> None:
        """Raise an error unless the balance is closed. Raises: BalanceError."""
        if not self.is_closed:
            raise BalanceError(self.sentence(feed, ingestion_date))

    def sentence(self, feed: str, ingestion_date: date) -> str:
        """Return the sentence for on-call about a balance that does not close."""
        own = self.balance
        return (
            f"{feed} of {ingestion_date} does not balance: {own.record} records are {own.current} current, "
            f"{own.superseded} superseded, {own.duplicate} duplicate and {own.quarantined} quarantined; "
            f"{self.lacking} records of RAW are not in BRONZE, and {self.stray} rows of SILVER have no record. "
            "Clear bronze and silver of that date; if it stays so, rows were changed by hand."
        )


@dataclass(frozen=True)
class Movement:
    """The change of one ingestion date by one commit of SILVER: `change` rows more than before."""

    version: int
    ingestion_date: date
    change: int


def count_date(
    tables: Tables,
    contract: FeedContract,
    ingestion_date: date,
    in_raw: int | None = None,
    profile: DayProfile | None = None,
) -> Count:
    """Return the balance of a date's records. A record that is two of the four counts as both.

    A record is a duplicate if its own date delivers an equal one again. A later delivery of another date does not
    change which records are duplicate and which are superseded.

    Args:
        in_raw: how many records the manifests of RAW name; None if unknown.
        profile: the date's records, if known.
    """
    received, kept, quarantined = _sides(tables, contract, [ingestion_date])
    if profile and profile.places is not None:
        found = _counted_whole(kept, quarantined, profile.places)
    else:
        found = _counted_by_digest(profile.fingerprint if profile else None, received, kept, quarantined)
    if found:
        return Count(found, 0 if in_raw is None else in_raw - found.record)
    nothing = (Balance(0, 0, 0, 0, 0), 0)
    found, stray = count_one_by_one(tables, contract, [ingestion_date]).get(ingestion_date, nothing)
    return Count(found, 0 if in_raw is None else in_raw - found.record, stray)


def _sides(tables: Tables, contract: FeedContract, days: Collection[date]) -> list[DataFrame]:
    """Return the rows of these dates in BRONZE, in SILVER and in quarantine."""
    sides = (contract.bronze, contract.silver, contract.quarantine)
    return [tables.read(side.name).where(F.col("ingestion_date").isin(sorted(days))) for side in sides]


def _counted_whole(kept: DataFrame, quarantined: DataFrame, places: set[tuple[str, int]]) -> Balance | None:
    """Return the balance if each record is in SILVER or in quarantine; None if a record is in neither or in both."""
    sides = [
        side.select(F.lit(name).alias("side"), *PLACE) for name, side in (("kept", kept), ("quarantined", quarantined))
    ]
    rows = sides[0].union(sides[1]).toArrow()
    found = {name: places_of(rows.filter(pc.equal(rows["side"], name))) for name in ("kept", "quarantined")}
    if rows.num_rows != len(places) or found["kept"] | found["quarantined"] != places:
        return None
    return Balance(len(places), len(found["kept"]), 0, 0, len(found["quarantined"]))


def _counted_by_digest(
    known: tuple[int, int] | None, received: DataFrame, kept: DataFrame, quarantined: DataFrame
) -> Balance | None:
    """Return the same without fetching places.

    Args:
        known: the fingerprint of the records, if known.
    """
    marks = kept.agg(*fingerprint("kept")).join(quarantined.agg(*fingerprint("quarantined"))).first()
    count, places = known or received.agg(*fingerprint("received")).first()
    if count != marks.kept + marks.quarantined or places != marks.kept_places ^ marks.quarantined_places:
        return None
    return Balance(count, marks.kept, 0, 0, marks.quarantined)


def count_one_by_one(tables: Tables, contract: FeedContract, days: Collection[date]) -> dict[date, tuple[Balance, int]]:
    """Return per date its balance and its stray rows of SILVER. Finds for each lost record the row that it lost to."""
    received, kept, quarantined = _sides(tables, contract, days)
    day, key, order = "ingestion_date", contract.silver.key, (contract.version_column, *ORDER)
    records = typed_key(received, contract).select(day, *key, *order, "_record_md5", *_event_date(contract))
    flags = [
        frame.select(*PLACE, F.lit(True).alias(flag))
        for frame, flag in ((kept, "_is_kept"), (quarantined, "_is_quarantined"))
    ]
    placed = records.join(flags[0], list(PLACE), "left").join(flags[1], list(PLACE), "left")
    again = Window.partitionBy(day, "_record_md5", "_is_quarantined").orderBy(*ORDER)
    placed = placed.withColumn("_comes_again", F.lead("_position").over(again).isNotNull())
    lost = placed.where("_is_kept IS NULL AND _is_quarantined IS NULL")
    names = dict.fromkeys((*key, *order))  # a version may be part of the key
    winners = _winners(tables, contract, lost).select(*(F.col(name).alias(f"_kept_{name}") for name in names))
    same_key = [F.col(name) == F.col(f"_kept_{name}") for name in key]
    has_lost = F.struct(*order) < F.struct(*(F.col(f"_kept_{name}").alias(name) for name in order))
    fates = (
        lost.join(winners, same_key, "left")
        .groupBy(day)
        .agg(
            F.count_if(has_lost & ~F.col("_comes_again")).alias("superseded"),
            F.count_if(has_lost & F.col("_comes_again")).alias("duplicate"),
        )
    )
    sides = placed.groupBy(day).agg(
        F.count("*").alias("record"),
        F.count("_is_kept").alias("current"),
        F.count("_is_quarantined").alias("quarantined"),
    )
    stray = kept.join(received.select(*PLACE), list(PLACE), "left_anti").groupBy(day).agg(F.count("*").alias("stray"))
    rows = sides.join(fates, day, "full").join(stray, day, "full").na.fill(0).collect()
    return {
        row.ingestion_date: (
            Balance(row.record, row.current, row.superseded, row.duplicate, row.quarantined),
            row.stray,
        )
        for row in rows
    }


def _winners(tables: Tables, contract: FeedContract, lost: DataFrame) -> DataFrame:
    """Return the rows of SILVER that may have superseded `lost`: those of its event dates or with nearby keys."""
    silver, event_date = tables.read(contract.silver.name), contract.event_date
    if not event_date or event_date in contract.silver.key:
        return silver
    first_key = contract.silver.key[0]
    spans = lost.groupBy("_date").agg(F.min(first_key).alias("least"), F.max(first_key).alias("greatest")).collect()
    dates = [span._date for span in spans if span._date]
    return silver.where(F.col(event_date).isin(dates) | near(first_key, [(s.least, s.greatest) for s in spans]))


def movements(tables: Tables, contract: FeedContract, first: int, last: int) -> list[Movement]:
    """Return how commits `first` to `last` of SILVER changed the number of rows per ingestion date."""
    sign = F.when(F.col(CHANGE).isin("insert", "update_postimage"), 1).otherwise(-1)
    changed = tables.change_feed(contract.silver.name, first, last)
    moved = changed.groupBy(COMMIT, "ingestion_date").agg(F.sum(sign).alias("change")).where("change <> 0")
    return [Movement(row[COMMIT], row.ingestion_date, row.change) for row in moved.collect()]


def moved_balances(
    tables: Tables, contract: FeedContract, known: Known, moved: Iterable[Movement], own: date, version: int
) -> list[dict[str, Any]]:
    """Return the balances of the other dates after the commits since their last check, as `Balance.row` returns them.

    A record with a row in SILVER is the greatest of its key, so no equal record of its date follows it. If it loses its
    row it becomes superseded, never duplicate; if it gets the row back it was superseded. A date that was never counted
    waits for its own run.

    Args:
        version: the newest commit of SILVER. A check of a greater version belongs to a table that has been dropped.
    """
    changes: dict[date, list[Movement]] = defaultdict(list)
    for one in moved:
        if one.ingestion_date != own:
            changes[one.ingestion_date].append(one)
    found = []
    for day, (row, counted) in known.balances(tables, contract, changes.keys(), version).items():
        change = sum(one.change for one in changes[day] if one.version > counted)
        current, superseded = row.current_count + change, row.superseded_count - change
        balance = Balance(row.record_count, current, superseded, row.duplicate_count, row.quarantined_count)
        found.append(balance.row(day, row.is_closed))
    return found


def open_dates(tables: Tables) -> list[tuple[str, date]]:
    """Return the feeds and ingestion dates whose newest check found records lost or doubled.

    File statistics skip all files without the check.
    """
    is_open = F.col("layer").isin("silver", RECOUNT) & ~F.col("is_closed")
    rows = tables.read(RUNS.name).where(is_open).select("name", F.explode("balances").alias("one"))
    once = rows.where("NOT one.is_closed").select("name", "one.ingestion_date").distinct().collect()
    if not once:
        return []
    is_feed = F.col("name").isin({row.name for row in once})
    is_date = F.col("ingestion_date").isin({row.ingestion_date for row in once})
    still = tables.read(LATEST_BALANCE).where(is_feed & is_date).where("NOT is_closed")
    return [tuple(row) for row in still.select("name", "ingestion_date").collect()]


def _event_date(contract: FeedContract) -> list[SparkColumn]:
    """Return the event date of a record as column `_date`, if SILVER is partitioned by an event date."""
    sources = [c.date_of for c in contract.silver.columns if c.date_of and c.name == contract.event_date]
    if contract.event_date and not sources:
        sources = [contract.event_date]
    return [F.to_date(source).alias("_date") for source in sources]
