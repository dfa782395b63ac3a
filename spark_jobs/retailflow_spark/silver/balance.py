"""Conservation: every record of a date is current, superseded, duplicate or in quarantine; none is lost, none doubled.

Counted from the tables as they are after a run, both ways: each record of RAW is in BRONZE and has its place among the
four, and each row of SILVER has its record. When another date takes a row over, the count of the date that had it is
moved by what the commit changed, without reading its records again (docs/adr/0009).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table
from retailflow.contracts.model import ORDER
from retailflow_spark.ledger import TASK_RUNS
from retailflow_spark.silver.validate import typed_key
from retailflow_spark.spans import near
from retailflow_spark.tables import CHANGE, COMMIT, Tables, newest_first

ROW_BALANCE = Table(
    name="ops.row_balance",
    description="What became of the records of a feed and date; the row of the greatest silver_version holds.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the records.", required=True),
        Column("record_count", "BIGINT", "Records of the date, as BRONZE has them.", required=True),
        Column("current_count", "BIGINT", "Records that are a row of SILVER.", required=True),
        Column("superseded_count", "BIGINT", "Records that lost to another of their key.", required=True),
        Column("duplicate_count", "BIGINT", "Records that lost to an equal one of their date.", required=True),
        Column("quarantined_count", "BIGINT", "Records in quarantine.", required=True),
        Column("unaccounted_count", "BIGINT", "Records less the four; 0 where these make up all.", required=True),
        Column(
            "is_closed",
            "BOOLEAN",
            "Whether they do, and BRONZE has what RAW has.",
            required=True,
        ),
        Column("silver_version", "BIGINT", "The commit of SILVER after which this held.", required=True),
        Column("databricks_run_id", "STRING", "The run that checked.", required=True),
        Column("checked_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("entity", "ingestion_date", "silver_version", "checked_at"),
)
_PLACE = ("_source_file", "_position")


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


@dataclass(frozen=True)
class Count:
    """What became of the records of a date. RAW has `lacking` more than BRONZE; `stray` rows of SILVER have none."""

    balance: Balance
    lacking: int = 0
    stray: int = 0

    @property
    def is_closed(self) -> bool:
        return self.balance.unaccounted == self.lacking == self.stray == 0


@dataclass(frozen=True)
class Movement:
    """What one commit of SILVER changed of one ingestion date: how many rows it has more than before."""

    version: int
    ingestion_date: date
    change: int


def count_date(tables: Tables, contract: EntityContract, ingestion_date: date) -> Count:
    """What became of a date's records. One that is two things at once counts as both.

    A duplicate is one that its own date brings again; what another date brings later changes no split.
    """
    received, kept, held = (
        tables.read_day(table, ingestion_date) for table in (contract.bronze, contract.silver, contract.quarantine)
    )
    found = received.agg(*_fingerprint("received")).join(kept.agg(*_fingerprint("kept")))
    marks = found.join(held.agg(*_fingerprint("held"))).first()
    is_whole = marks.received == marks.kept + marks.held
    if is_whole and marks.received_places == marks.kept_places ^ marks.held_places:
        found, stray = Balance(marks.received, marks.kept, 0, 0, marks.held), 0
    else:
        found, stray = _count_one_by_one(tables, contract, received, kept, held)
    in_raw = _records_in_raw(tables, contract, ingestion_date)
    return Count(found, 0 if in_raw is None else in_raw - found.record, stray)


def _fingerprint(name: str) -> list[SparkColumn]:
    """How many records, and a digest of their places: equal for equal sets of places, whatever their order."""
    digest = F.coalesce(F.bit_xor(F.xxhash64(*_PLACE)), F.lit(0).cast("bigint"))
    return [F.count("*").alias(name), digest.alias(f"{name}_places")]


def _count_one_by_one(
    tables: Tables, contract: EntityContract, received: DataFrame, kept: DataFrame, held: DataFrame
) -> tuple[Balance, int]:
    """The same where some records lost to others, by the row that each lost to; and the stray rows of SILVER."""
    key, order = contract.silver.key, (contract.version_column, *ORDER)
    records = typed_key(received, contract).select(*key, *order, "_record_md5", *_event_date(contract))
    flags = [frame.select(*_PLACE, F.lit(True).alias(flag)) for frame, flag in ((kept, "_is_kept"), (held, "_is_held"))]
    placed = records.join(flags[0], list(_PLACE), "left").join(flags[1], list(_PLACE), "left")
    again = Window.partitionBy("_record_md5", "_is_held").orderBy(*ORDER)
    placed = placed.withColumn("_comes_again", F.lead("_position").over(again).isNotNull())
    lost = placed.where("_is_kept IS NULL AND _is_held IS NULL")
    winners = _winners(tables, contract, lost).select(*(F.col(n).alias(f"_kept_{n}") for n in (*key, *order)))
    same_key = [F.col(name) == F.col(f"_kept_{name}") for name in key]
    has_lost = F.struct(*order) < F.struct(*(F.col(f"_kept_{name}").alias(name) for name in order))
    fates = lost.join(winners, same_key, "left").agg(
        F.count_if(has_lost & ~F.col("_comes_again")).alias("superseded"),
        F.count_if(has_lost & F.col("_comes_again")).alias("duplicate"),
    )
    sides = placed.agg(
        F.count("*").alias("record"),
        F.count("_is_kept").alias("current"),
        F.count("_is_held").alias("quarantined"),
    )
    stray = kept.join(received.select(*_PLACE), list(_PLACE), "left_anti").agg(F.count("*").alias("stray"))
    row = sides.join(fates).join(stray).first()
    return Balance(row.record, row.current, row.superseded, row.duplicate, row.quarantined), row.stray


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


def check(
    tables: Tables,
    contract: EntityContract,
    ingestion_date: date,
    moved: Iterable[Movement],
    version: int,
    databricks_run_id: str,
) -> Balance:
    """Count and record the balance of a date, and move that of others whose rows came or went. Returns the first.

    Args:
        moved: what the commits of SILVER since the last check changed. version: the last of these commits.

    Raises: BalanceError where the date's own does not close.
    """
    found = count_date(tables, contract, ingestion_date)
    own, now = found.balance, datetime.now(UTC)
    counted = [(ingestion_date, own, found.is_closed), *_moved(tables, contract, moved, ingestion_date)]
    rows = [
        {"entity": contract.name, "ingestion_date": day}
        | {f"{item.name}_count": getattr(balance, item.name) for item in fields(Balance)}
        | {"unaccounted_count": balance.unaccounted, "is_closed": is_closed, "silver_version": version}
        | {"databricks_run_id": databricks_run_id, "checked_at": now}
        for day, balance, is_closed in counted
    ]
    tables.append_once(rows, ROW_BALANCE, f"row_balance/{databricks_run_id}")
    if not found.is_closed:
        raise BalanceError(
            f"{contract.name} of {ingestion_date} does not balance: {own.record} records are {own.current} current, "
            f"{own.superseded} superseded, {own.duplicate} duplicate and {own.quarantined} quarantined; "
            f"{found.lacking} records of RAW are not in BRONZE, and {found.stray} rows of SILVER have no record. "
            "Clear bronze and silver of that date; if it stays so, rows were changed by hand."
        )
    return own


def _records_in_raw(tables: Tables, contract: EntityContract, ingestion_date: date) -> int | None:
    """The records by the manifests that the newest run of BRONZE read; None where the run log has no such run."""
    if not tables.spark.catalog.tableExists(tables.path(TASK_RUNS.name)):
        return None
    is_bronze = (F.col("layer") == "bronze") & (F.col("name") == contract.name)
    runs = tables.read_day(TASK_RUNS, ingestion_date).where(is_bronze)
    return runs.agg(F.max_by("rows_read", "started_at")).first()[0]


def _moved(
    tables: Tables, contract: EntityContract, moved: Iterable[Movement], own: date
) -> Iterator[tuple[date, Balance, bool]]:
    """The balances of the other dates after what the commits since their last check moved, and whether they close.

    A record that was a row of SILVER was the greatest of its key, so no equal one of its date follows it: what loses
    its row is superseded, never duplicate; what gets it back was. A date that was never counted waits for its own run.
    """
    changes: dict[date, list[Movement]] = defaultdict(list)
    for one in moved:
        if one.ingestion_date != own:
            changes[one.ingestion_date].append(one)
    if not changes:
        return
    known = tables.read(ROW_BALANCE.name).where(
        (F.col("entity") == contract.name) & F.col("ingestion_date").isin(sorted(changes))
    )
    for row in _newest(known).collect():
        change = sum(one.change for one in changes[row.ingestion_date] if one.version > row.silver_version)
        current, superseded = row.current_count + change, row.superseded_count - change
        balance = Balance(row.record_count, current, superseded, row.duplicate_count, row.quarantined_count)
        yield row.ingestion_date, balance, row.is_closed


def _newest(checks: DataFrame) -> DataFrame:
    """Of each feed and date the check of the greatest commit."""
    newest = F.max_by(F.struct("*"), F.struct("silver_version", "checked_at")).alias("newest")
    return checks.groupBy("entity", "ingestion_date").agg(newest).select("newest.*")


def checked(tables: Tables, feeds: set[str]) -> dict[str, int]:
    """Per feed the newest commit of its SILVER that a check has looked at; none for a feed without a check."""
    found: dict[str, int] = {}
    wanted = tables.read(ROW_BALANCE.name).where(F.col("entity").isin(sorted(feeds)))
    for checks in newest_first(wanted, "checked_at"):
        newest = checks.groupBy("entity").agg(F.max("silver_version").alias("version")).collect()
        found = {row.entity: row.version for row in newest}
        if found.keys() == feeds:
            break
    return found


def open_dates(tables: Tables) -> list[tuple[str, date]]:
    """The feeds and ingestion dates whose newest check found records lost or doubled.

    The statistics of files without such a check say so: of them none is read.
    """
    checks, place = tables.read(ROW_BALANCE.name), ["entity", "ingestion_date"]
    open_once = checks.where("NOT is_closed").select(*place).distinct()
    if open_once.isEmpty():
        return []
    newest = _newest(checks.join(open_once, place, "left_semi"))
    return [tuple(row) for row in newest.where("NOT is_closed").select(*place).collect()]


def _event_date(contract: EntityContract) -> list[SparkColumn]:
    """The event date of a record as a column `_date`, where SILVER is partitioned by one."""
    sources = [c.date_of for c in contract.silver.columns if c.date_of and c.name == contract.event_date]
    if contract.event_date and not sources:
        sources = [contract.event_date]
    return [F.to_date(source).alias("_date") for source in sources]
