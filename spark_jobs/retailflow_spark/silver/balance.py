"""Conservation: every record of a date is current, superseded, duplicate or in quarantine; none is lost, none doubled.

Counted from the tables as they are after a run, both ways: each record of RAW is in BRONZE and has its place among the
four, and each row of SILVER has its record. When another date takes a row over, the count of the date that had it is
moved by what the commit changed, without reading its records again (docs/adr/0009).
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

from retailflow.contracts import EntityContract
from retailflow.contracts.model import ORDER, PLACE
from retailflow_spark.delta.reader import CHANGE, COMMIT
from retailflow_spark.delta.spans import near
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import LATEST_BALANCE, RECOUNT, RUNS
from retailflow_spark.silver.judged import Judged, fingerprint, places_of
from retailflow_spark.silver.known import Known
from retailflow_spark.silver.validate import typed_key


class BalanceError(RuntimeError):
    """A run lost or doubled records. What it wrote stays, and the next run of the date mends it or fails again."""


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
        return self.record - self.current - self.superseded - self.duplicate - self.quarantined

    def row(self, ingestion_date: date, is_closed: bool) -> dict[str, Any]:
        """As `balances` of `ops.runs` has it."""
        counts = {f"{item.name}_count": getattr(self, item.name) for item in fields(Balance)}
        counts["unaccounted_count"] = self.unaccounted
        return {"ingestion_date": ingestion_date, **counts, "is_closed": is_closed}


@dataclass(frozen=True)
class Count:
    """What became of the records of a date. RAW has `lacking` more than BRONZE; `stray` rows of SILVER have none."""

    balance: Balance
    lacking: int = 0
    stray: int = 0

    @property
    def is_closed(self) -> bool:
        return self.balance.unaccounted == self.lacking == self.stray == 0

    def raise_if_open(self, feed: str, ingestion_date: date) -> None:
        """Raises: BalanceError where the balance does not close."""
        if not self.is_closed:
            raise BalanceError(self.sentence(feed, ingestion_date))

    def sentence(self, feed: str, ingestion_date: date) -> str:
        """What on-call reads of a balance that does not close."""
        own = self.balance
        return (
            f"{feed} of {ingestion_date} does not balance: {own.record} records are {own.current} current, "
            f"{own.superseded} superseded, {own.duplicate} duplicate and {own.quarantined} quarantined; "
            f"{self.lacking} records of RAW are not in BRONZE, and {self.stray} rows of SILVER have no record. "
            "Clear bronze and silver of that date; if it stays so, rows were changed by hand."
        )


@dataclass(frozen=True)
class Movement:
    """What one commit of SILVER changed of one ingestion date: how many rows it has more than before."""

    version: int
    ingestion_date: date
    change: int


def count_date(
    tables: Tables,
    contract: EntityContract,
    ingestion_date: date,
    in_raw: int | None = None,
    judged: Judged | None = None,
) -> Count:
    """What became of a date's records. One that is two things at once counts as both.

    A duplicate is one that its own date brings again; what another date brings later changes no split.

    Args:
        in_raw: how many records RAW has by its manifests; None where that is not known.
        judged: the date's records, where they are known.
    """
    received, kept, held = _sides(tables, contract, [ingestion_date])
    if judged and judged.places is not None:
        found = _counted_whole(kept, held, judged.places)
    else:
        found = _counted_by_digest(judged.fingerprint if judged else None, received, kept, held)
    if found:
        return Count(found, 0 if in_raw is None else in_raw - found.record)
    nothing = (Balance(0, 0, 0, 0, 0), 0)
    found, stray = count_one_by_one(tables, contract, [ingestion_date]).get(ingestion_date, nothing)
    return Count(found, 0 if in_raw is None else in_raw - found.record, stray)


def _sides(tables: Tables, contract: EntityContract, days: Collection[date]) -> list[DataFrame]:
    """The rows of these dates in BRONZE, in SILVER and in quarantine."""
    sides = (contract.bronze, contract.silver, contract.quarantine)
    return [tables.read(side.name).where(F.col("ingestion_date").isin(sorted(days))) for side in sides]


def _counted_whole(kept: DataFrame, held: DataFrame, places: set[tuple[str, int]]) -> Balance | None:
    """The balance where each record is in SILVER or in quarantine; None where one is in neither or in both."""
    sides = [side.select(F.lit(name).alias("side"), *PLACE) for name, side in (("kept", kept), ("held", held))]
    rows = sides[0].union(sides[1]).toArrow()
    found = {name: places_of(rows.filter(pc.equal(rows["side"], name))) for name in ("kept", "held")}
    if rows.num_rows != len(places) or found["kept"] | found["held"] != places:
        return None
    return Balance(len(places), len(found["kept"]), 0, 0, len(found["held"]))


def _counted_by_digest(
    known: tuple[int, int] | None, received: DataFrame, kept: DataFrame, held: DataFrame
) -> Balance | None:
    """The same without fetching places.

    Args:
        known: the fingerprint of the records, where it is known.
    """
    marks = kept.agg(*fingerprint("kept")).join(held.agg(*fingerprint("held"))).first()
    count, places = known or received.agg(*fingerprint("received")).first()
    if count != marks.kept + marks.held or places != marks.kept_places ^ marks.held_places:
        return None
    return Balance(count, marks.kept, 0, 0, marks.held)


def count_one_by_one(
    tables: Tables, contract: EntityContract, days: Collection[date]
) -> dict[date, tuple[Balance, int]]:
    """Of each of these dates the balance, by the row that each lost record lost to, and the stray rows of SILVER."""
    received, kept, held = _sides(tables, contract, days)
    day, key, order = "ingestion_date", contract.silver.key, (contract.version_column, *ORDER)
    records = typed_key(received, contract).select(day, *key, *order, "_record_md5", *_event_date(contract))
    flags = [frame.select(*PLACE, F.lit(True).alias(flag)) for frame, flag in ((kept, "_is_kept"), (held, "_is_held"))]
    placed = records.join(flags[0], list(PLACE), "left").join(flags[1], list(PLACE), "left")
    again = Window.partitionBy(day, "_record_md5", "_is_held").orderBy(*ORDER)
    placed = placed.withColumn("_comes_again", F.lead("_position").over(again).isNotNull())
    lost = placed.where("_is_kept IS NULL AND _is_held IS NULL")
    winners = _winners(tables, contract, lost).select(*(F.col(n).alias(f"_kept_{n}") for n in (*key, *order)))
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
        F.count("_is_held").alias("quarantined"),
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


def _winners(tables: Tables, contract: EntityContract, lost: DataFrame) -> DataFrame:
    """The rows of SILVER that records which lost can have lost to: of their event dates, or with keys near theirs."""
    silver, event_date = tables.read(contract.silver.name), contract.event_date
    if not event_date or event_date in contract.silver.key:
        return silver
    first_key = contract.silver.key[0]
    spans = lost.groupBy("_date").agg(F.min(first_key).alias("least"), F.max(first_key).alias("greatest")).collect()
    dates = [span._date for span in spans if span._date]
    return silver.where(F.col(event_date).isin(dates) | near(first_key, [(s.least, s.greatest) for s in spans]))


def movements(tables: Tables, contract: EntityContract, first: int, last: int) -> list[Movement]:
    """How commits `first` to `last` of SILVER moved rows from or to ingestion dates."""
    sign = F.when(F.col(CHANGE).isin("insert", "update_postimage"), 1).otherwise(-1)
    changed = tables.change_feed(contract.silver.name, first, last)
    moved = changed.groupBy(COMMIT, "ingestion_date").agg(F.sum(sign).alias("change")).where("change <> 0")
    return [Movement(row[COMMIT], row.ingestion_date, row.change) for row in moved.collect()]


def moved_balances(
    tables: Tables, contract: EntityContract, known: Known, moved: Iterable[Movement], own: date, version: int
) -> list[dict[str, Any]]:
    """The balances of the other dates after what the commits since their last check moved, as `Balance.row` has them.

    A record that was a row of SILVER was the greatest of its key, so no equal one of its date follows it: what loses
    its row is superseded, never duplicate; what gets it back was. A date that was never counted waits for its own run.

    Args:
        version: the newest commit of SILVER. A check of a greater one was of a table that has been dropped since.
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
    """The feeds and ingestion dates whose newest check found records lost or doubled.

    The statistics of files without such a check say so: of them none is read.
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


def _event_date(contract: EntityContract) -> list[SparkColumn]:
    """The event date of a record as a column `_date`, where SILVER is partitioned by one."""
    sources = [c.date_of for c in contract.silver.columns if c.date_of and c.name == contract.event_date]
    if contract.event_date and not sources:
        sources = [contract.event_date]
    return [F.to_date(source).alias("_date") for source in sources]
