"""The entries of the run log for a feed and ingestion date. A run reads them once, before anything else."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Row
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract
from retailflow.release import installed
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job.run_log import RECOUNT, Counts, built_with, of, recent

_COLUMNS = [
    *("layer", "ingestion_date", "databricks_run_id", "code_version", "contract_version", "built_with", "is_success"),
    *("rows_read", "rows_updated", "rows_superseded", "rows_duplicate", "rows_quarantined"),
    *("versions_after", "taken", "silver_version", "balances"),
]


@dataclass(frozen=True)
class Known:
    """The rows of `ops.runs` of a feed: those of the last week, and all of the date.

    Attributes:
        rows: the runs of SILVER.
        bronze: the date's newest run of BRONZE.
        last: the date's newest run of SILVER.
        newest: the feed's newest run of SILVER.
        is_open: whether a recount after `last` found records of the date lost or doubled.
    """

    rows: list[Row]
    bronze: Row | None
    last: Row | None
    newest: Row | None
    is_open: bool

    @property
    def checked(self) -> int:
        """The newest commit of SILVER that a run has checked; 0 before the first run."""
        return self.newest.silver_version if self.newest else 0

    @property
    def in_raw(self) -> int | None:
        """The number of records in the manifests that the newest run of BRONZE read; None without this run."""
        return self.bronze.rows_read if self.bronze else None

    @property
    def updates(self) -> bool:
        """Whether the feed's newest run updated rows."""
        return bool(self.newest and self.newest.rows_updated)

    def bronze_version(self, contract: FeedContract) -> int | None:
        """Return the commit of BRONZE that wrote the date's slice; None if unknown."""
        return self.bronze.versions_after.get(contract.bronze.name) if self.bronze else None

    def unchanged(self, tables: Tables, contract: FeedContract, ingestion_date: date) -> Counts | None:
        """Return the counts of the date's last run if BRONZE, contract, code and tables have not changed since.

        A commit of another date counts as a change: only a run can find out whether it replaced rows of this date.
        """
        last, bronze = self.last, {contract.bronze.name: self.bronze_version(contract)}
        if not last or not last.is_success or self.is_open:
            return None
        made_with = (installed(), contract.version, built_with("silver", contract))
        if (last.code_version, last.contract_version, last.built_with) != made_with or last.taken != bronze:
            return None
        left = {**last.versions_after, **bronze}  # check BRONZE too: somebody may have changed it by hand
        for table in (contract.bronze, *contract.silver_tables, contract.quarantine):
            commit, own = tables.newest_of_day(table.name, ingestion_date), left.get(table.name)
            if commit is None or (commit.version > own if own is not None else commit.at >= last.started_at):
                return None
        return Counts(
            rows_read=last.rows_read,
            rows_written=0,
            rows_updated=0,
            rows_superseded=last.rows_superseded,
            rows_duplicate=last.rows_duplicate,
            rows_quarantined=last.rows_quarantined,
        )

    def balances(
        self, tables: Tables, contract: FeedContract, days: Collection[date], version: int
    ) -> dict[date, tuple[Row, int]]:
        """Return per checked date the balance of its newest check up to commit `version`, and that check's commit."""
        found = _balances(self.rows, days, version)
        if days <= found.keys():
            return found
        is_theirs = F.exists("balances", lambda one: one["ingestion_date"].isin(sorted(days)))
        condition = of("silver", contract.name) & (F.col("silver_version") <= version) & is_theirs
        columns = ["silver_version", "balances"]
        rows = recent(tables, condition, columns, lambda rows: days <= _balances(rows, days, version).keys())
        return _balances(rows, days, version)


def _balances(rows: list[Row], days: Collection[date], version: int) -> dict[date, tuple[Row, int]]:
    checks = [row for row in rows if row.balances and row.silver_version <= version]
    return {
        one.ingestion_date: (one, row.silver_version)
        for row in sorted(checks, key=lambda row: (row.silver_version, row.ended_at))
        for one in row.balances
        if one.ingestion_date in days
    }


def known_of(tables: Tables, contract: FeedContract, ingestion_date: date) -> Known:
    """Return the entries of the run log for a feed and ingestion date."""
    is_of_feed = F.col("layer").isin("bronze", "silver", RECOUNT) & (F.col("name") == contract.name)
    is_of_date = F.col("ingestion_date") == F.lit(ingestion_date)
    columns = [*_COLUMNS, F.unix_micros("started_at").alias("started_at")]
    rows = recent(
        tables, is_of_feed, columns, lambda rows: any(row.layer == "silver" for row in rows), always=is_of_date
    )
    silver = [row for row in rows if row.layer == "silver"]
    of_date = [row for row in rows if row.ingestion_date == ingestion_date]
    last = max((row for row in of_date if row.layer == "silver"), key=lambda row: row.ended_at, default=None)
    return Known(
        rows=silver,
        bronze=max((row for row in of_date if row.layer == "bronze"), key=lambda row: row.started_at, default=None),
        last=last,
        newest=max(silver, key=lambda row: row.ended_at, default=None),
        is_open=any(
            one.ingestion_date == ingestion_date and not one.is_closed
            for row in rows
            if row.layer == RECOUNT and last and row.ended_at > last.ended_at
            for one in row.balances
        ),
    )
