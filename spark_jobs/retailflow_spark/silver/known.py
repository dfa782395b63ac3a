"""What the run log knows of a feed and an ingestion date: asked once a run, before it does anything."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Row
from pyspark.sql import functions as F

from retailflow.contracts import EntityContract
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
    """The rows of `ops.runs` of a feed: of the last week, and all of the date.

    `bronze` is the date's newest run of BRONZE, `last` its newest of SILVER, `newest` the feed's newest of SILVER.
    `is_open` is whether a recount since then found records of the date lost or doubled.
    """

    rows: list[Row]
    bronze: Row | None
    last: Row | None
    newest: Row | None
    is_open: bool

    @property
    def checked(self) -> int:
        """The newest commit of SILVER that was looked at; 0 before the first."""
        return self.newest.silver_version if self.newest else 0

    @property
    def in_raw(self) -> int | None:
        """Records by the manifests that the newest run of BRONZE read; None without such a run."""
        return self.bronze.rows_read if self.bronze else None

    @property
    def updates(self) -> bool:
        """Whether the feed's newest run replaced rows."""
        return bool(self.newest and self.newest.rows_updated)

    def bronze_version(self, contract: EntityContract) -> int | None:
        """The commit of BRONZE that has the date's slice; None where nobody knows."""
        return self.bronze.versions_after.get(contract.bronze.name) if self.bronze else None

    def unchanged(self, tables: Tables, contract: EntityContract, ingestion_date: date) -> Counts | None:
        """What the date's last run counted, where BRONZE, contract, code and tables are as that run left them.

        A commit of another date counts as a change: only a run can tell whether it took rows of this date over.
        """
        last, bronze = self.last, {contract.bronze.name: self.bronze_version(contract)}
        if not last or not last.is_success or self.is_open:
            return None
        made_with = (installed(), contract.version, built_with("silver", contract))
        if (last.code_version, last.contract_version, last.built_with) != made_with or last.taken != bronze:
            return None
        left = {**last.versions_after, **bronze}  # BRONZE too, since somebody may have changed it by hand
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
        self, tables: Tables, contract: EntityContract, days: Collection[date], version: int
    ) -> dict[date, tuple[Row, int]]:
        """Of these dates that were ever counted, the balance of the greatest commit to `version`, and that commit."""
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


def known_of(tables: Tables, contract: EntityContract, ingestion_date: date) -> Known:
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
