"""The tables of one catalog: their rows, their versions, and what commits changed."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple, Self

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from retailflow.contracts import Table
from retailflow.environments import Environment
from retailflow_spark.delta.commits import Commit, commits

CHANGE, COMMIT = "_change_type", "_commit_version"  # columns of a change feed
RECENT = 10  # how many of a table's newest commits are read at a time
_RECENT_FOR_A_DATE = 40  # each date has a commit; reading 40 costs half more than reading 1


class CommitsSince(NamedTuple):
    """The number of a table's newest commit, and the commits since a version that change a row, the newest first.

    A change feed must begin at `first`: Delta refuses a feed that begins before `delta.deletedFileRetentionDuration`,
    and a table without new rows still gets commits of upkeep, which grow old.
    """

    newest: int
    changes: list[Commit]

    @property
    def first(self) -> int | None:
        """The number of the first commit that changes a row; None if no commit does."""
        return self.changes[-1].version if self.changes else None


class Reader:
    """Reads the tables of one catalog. Names are `schema.table`.

    The environment names the catalog and the group that sees restricted columns. A laptop has neither the group nor
    masks.
    """

    def __init__(self, spark: SparkSession, catalog: str, restricted_group: str | None = None) -> None:
        self.spark = spark
        self.catalog = catalog
        self.restricted_group = restricted_group

    @classmethod
    def of(cls, spark: SparkSession, env: Environment) -> Self:
        """Return the reader of an environment's tables."""
        return cls(spark, env.catalog, env.restricted_group)

    def path(self, name: str) -> str:
        """Return the full name. GOLD is built in `gold_build`; `gold` has views of published versions (release.py)."""
        schema, _, table = name.partition(".")
        return f"{self.catalog}.{'gold_build' if schema == 'gold' else schema}.{table}"

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table as it is now, or as the commit `version` left it."""
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        return reader.table(self.path(name))

    def read_day(self, table: Table, ingestion_date: date) -> DataFrame:
        """Return the rows of one ingestion date."""
        return self.read(table.name).where(F.col("ingestion_date") == F.lit(ingestion_date))

    def version(self, name: str) -> int:
        """Return the number of the table's newest commit."""
        return self.history(name, 1).first().version

    def history(self, name: str, count: int) -> DataFrame:
        """Return the newest commits, one row each: `version`, `timestamp`, `operation` and more."""
        return self.spark.sql(f"DESCRIBE HISTORY {self.path(name)} LIMIT {count}")

    def size(self, name: str) -> tuple[int, int]:
        """Return how many files the table has, and their size in bytes."""
        detail = self.spark.sql(f"DESCRIBE DETAIL {self.path(name)}").first()
        return detail.numFiles, detail.sizeInBytes

    def commits_since(self, name: str, version: int, recent: Sequence[Commit] | None = None) -> CommitsSince:
        """Return the newest commit, and all commits after `version` that change a row.

        Args:
            recent: the `recent_commits` that a write has found, if they are recent enough. They save a query.
        """
        found = recent or self.recent_commits(name)
        if len(found) == RECENT and found[-1].version > version + 1:
            found = self._commits(name, found[0].version - version + RECENT)
        return CommitsSince(found[0].version, [one for one in found if one.version > version and not one.is_upkeep])

    def recent_commits(self, name: str) -> list[Commit]:
        """Return the last few commits, the newest first."""
        return self._commits(name, RECENT)

    def _commits(self, name: str, count: int) -> list[Commit]:
        return commits(self.history(name, count))

    def newest_of_day(self, name: str, ingestion_date: date) -> Commit | None:
        """Return the newest commit that may have changed rows of an ingestion date.

        Returns: None where that was long ago or the table does not exist.
        """
        try:
            found = self._commits(name, _RECENT_FOR_A_DATE)
        except AnalysisException as error:
            if not is_absent(error):
                raise
            return None
        return next((one for one in found if one.may_concern(ingestion_date)), None)

    def change_feed(self, name: str, first: int, last: int) -> DataFrame:
        """Return the rows that commits `first` to `last` inserted, deleted, or updated (before and after).

        In addition to the table's columns there are `_change_type` (insert, delete, update_preimage, update_postimage),
        `_commit_version` and `_commit_timestamp`.
        """
        reader = self.spark.read.option("readChangeFeed", "true")
        return reader.option("startingVersion", first).option("endingVersion", last).table(self.path(name))

    def changes(self, name: str, first: int, last: int, *kinds: str) -> DataFrame:
        """Return the rows of `change_feed`, or only those of these kinds, with the table's columns."""
        feed = self.change_feed(name, first, last)
        wanted = feed.where(F.col(CHANGE).isin(*kinds)) if kinds else feed
        return wanted.drop(CHANGE, COMMIT, "_commit_timestamp")

    def value_changes(self, name: str, changes: Collection[Commit], values: list[str]) -> DataFrame:
        """Return the rows of `change_feed` by these columns, without rows that are the same before and after a commit.

        A row that is delivered again without a change, in another file and date, does not change tables built from it.
        A row that one commit inserts and a later one deletes is kept: another run may have read it in between. Commits
        that only insert have no unchanged rows; a query of their feed reads only the columns that it needs.

        Args:
            changes: consecutive commits that change a row.

        Returns: `values`, `_commit_version`, and `_net`: above 0 for rows that exist after the commit, below 0 for rows
        that existed before it.
        """
        versions = [one.version for one in changes]
        feed = self.change_feed(name, min(versions), max(versions))
        sign = F.when(F.col(CHANGE).isin("insert", "update_postimage"), 1).otherwise(-1).cast("long").alias("_net")
        rows = feed.select(*values, COMMIT, sign)
        if all(one.only_inserts for one in changes):
            return rows
        return rows.groupBy(*values, COMMIT).agg(F.sum("_net").alias("_net")).where("_net <> 0")

    def properties(self, name: str) -> dict[str, str] | None:
        """Return the properties of a table; None where the table does not exist."""
        try:
            return {row.key: row.value for row in self.spark.sql(f"SHOW TBLPROPERTIES {self.path(name)}").collect()}
        except AnalysisException as error:
            if not is_absent(error):
                raise
            return None

    def is_view(self, name: str) -> bool:
        """Return whether this is a view, not a table."""
        about = self.spark.sql(f"DESCRIBE TABLE EXTENDED {self.path(name)}").where("col_name = 'Type'").first()
        return about.data_type == "VIEW"


def is_absent(error: AnalysisException) -> bool:
    """Return whether a query failed because a table does not exist."""
    return error.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"
