"""Conservation: every record of a date is current, superseded, duplicate or in quarantine; none is lost, none doubled.

Counted from the tables as they stand after a run, each kind by itself and none as a remainder, so that a row which the
run lost or doubled shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import Window
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table
from retailflow.contracts.model import ORDER
from retailflow_spark.quality import typed_key
from retailflow_spark.tables import Tables, newest_first

ROW_BALANCE = Table(
    name="ops.row_balance",
    description="What became of the records of a feed and ingestion date, at each check; the newest check holds.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the records.", required=True),
        Column("record_count", "BIGINT", "Records in RAW, as BRONZE holds them.", required=True),
        Column("current_count", "BIGINT", "Records that are a row of SILVER.", required=True),
        Column("superseded_count", "BIGINT", "Records that lost to another of their key.", required=True),
        Column("duplicate_count", "BIGINT", "Records that lost to an equal one of their date.", required=True),
        Column("quarantined_count", "BIGINT", "Records in quarantine.", required=True),
        Column("unaccounted_count", "BIGINT", "Records less the four; 0 where these make up all.", required=True),
        Column("is_closed", "BOOLEAN", "Whether they do.", required=True),
        Column("silver_version", "BIGINT", "Newest commit of SILVER that the check looked at.", required=True),
        Column("databricks_run_id", "STRING", "The run that checked.", required=True),
        Column("checked_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("entity", "ingestion_date", "checked_at"),
    partition=("ingestion_date",),
)


class BalanceError(RuntimeError):
    """A run lost or doubled records. What it wrote stands, and the next run of the date mends it or fails again."""


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

    @property
    def is_closed(self) -> bool:
        return self.unaccounted == 0


def balances(tables: Tables, contract: EntityContract, dates: Iterable[date]) -> dict[date, Balance]:
    """What became of each date's records. A record that is two things at once counts as both.

    A duplicate is one that its own date brings again (docs/adr/0009): what another date brings later changes no split.
    """
    of_dates = F.col("ingestion_date").isin(sorted(dates))
    received = typed_key(tables.read(contract.bronze.name).where(of_dates), contract).select(
        *contract.silver.key, contract.version_column, *ORDER, "_record_md5", *_dates(contract)
    )
    silver = tables.read(contract.silver.name)
    if contract.event_date:
        found = received.select("_date").distinct().where("_date IS NOT NULL").collect()
        silver = silver.where(F.col(contract.event_date).isin([row[0] for row in found]))
    kept = silver.select(*(F.col(n).alias(f"_kept_{n}") for n in (*contract.silver.identity, *_order(contract))))
    received_as = {contract.event_date: "_date"}
    same = [F.col(received_as.get(n, n)) == F.col(f"_kept_{n}") for n in contract.silver.identity]
    place = ["_source_file", "_position"]
    held = tables.read(contract.quarantine.name).where(of_dates).select(*place, F.lit(True).alias("_is_held"))
    again = Window.partitionBy("ingestion_date", "_record_md5", "_is_held").orderBy(*ORDER)
    joined = (
        received.join(held, place, "left").withColumn("_next", F.lead("_position").over(again)).join(kept, same, "left")
    )
    is_held = F.col("_is_held").isNotNull()
    is_current = F.struct(*ORDER) == _kept(ORDER)
    has_lost = ~is_held & (F.struct(*_order(contract)) < _kept(_order(contract)))
    comes_again = F.col("_next").isNotNull()
    counted = joined.groupBy("ingestion_date").agg(
        F.count("*").alias("record"),
        F.count_if(is_current).alias("current"),
        F.count_if(has_lost & ~comes_again).alias("superseded"),
        F.count_if(has_lost & comes_again).alias("duplicate"),
        F.count_if(is_held).alias("quarantined"),
    )
    found = {day: Balance(*counts) for day, *counts in counted.collect()}
    return {day: found.get(day, Balance(0, 0, 0, 0, 0)) for day in dates}


def check(tables: Tables, contract: EntityContract, ingestion_date: date, databricks_run_id: str) -> Balance:
    """Count and record the balance of a date, and of others that moved since the last check. Returns the first.

    Raises: BalanceError where the date's own does not close. Another date may have records in BRONZE that its own run
        is about to take into SILVER; until then no publication is made of what is built from them.
    """
    tables.create([ROW_BALANCE])
    version, moved = _moved(tables, contract)
    found = balances(tables, contract, {ingestion_date, *moved})
    now = datetime.now(UTC)
    rows = [
        {"entity": contract.name, "ingestion_date": day}
        | {f"{item.name}_count": getattr(counts, item.name) for item in fields(counts)}
        | {"unaccounted_count": counts.unaccounted, "is_closed": counts.is_closed, "silver_version": version}
        | {"databricks_run_id": databricks_run_id, "checked_at": now}
        for day, counts in found.items()
    ]
    tables.append_once(rows, ROW_BALANCE, f"row_balance/{databricks_run_id}")
    own = found[ingestion_date]
    if not own.is_closed:
        raise BalanceError(
            f"{contract.name} of {ingestion_date} does not balance: {own.record} records are {own.current} current, "
            f"{own.superseded} superseded, {own.duplicate} duplicate and {own.quarantined} quarantined. "
            "Clear bronze and silver of that date; if it stays so, rows were changed by hand."
        )
    return own


def _moved(tables: Tables, contract: EntityContract) -> tuple[int, set[date]]:
    """The newest commit of SILVER, and the dates that won or lost rows of other dates since the last check, be it by a
    run that then died.
    """
    version, first = tables.since(contract.silver.name, checked(tables, {contract.name}).get(contract.name, 0))
    if first is None:
        return version, set()
    kinds = ("update_preimage", "update_postimage", "delete")
    replaced = tables.changes(contract.silver.name, first, version, *kinds)
    return version, {row[0] for row in replaced.select("ingestion_date").distinct().collect()}


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
    open_once = checks.where("unaccounted_count <> 0").select(*place).distinct()
    if open_once.isEmpty():
        return []
    since = checks.join(open_once, place, "left_semi")
    newest = since.groupBy(*place).agg(F.max_by("is_closed", "checked_at").alias("is_closed"))
    return [tuple(row) for row in newest.where("NOT is_closed").select(*place).collect()]


def _order(contract: EntityContract) -> tuple[str, ...]:
    return (contract.version_column, *ORDER)


def _kept(names: Iterable[str]) -> SparkColumn:
    return F.struct(*(F.col(f"_kept_{name}").alias(name) for name in names))


def _dates(contract: EntityContract) -> list[SparkColumn]:
    """The event date of a record as a column `_date`, where SILVER is partitioned by one."""
    sources = [c.date_of for c in contract.silver.columns if c.date_of and c.name == contract.event_date]
    if contract.event_date and not sources:
        sources = [contract.event_date]
    return [F.to_date(source).alias("_date") for source in sources]
