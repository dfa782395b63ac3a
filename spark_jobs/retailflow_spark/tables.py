"""The one writer: every change of a table goes through here, each as one atomic Delta commit that is safe to repeat."""

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial, reduce
from typing import Any

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from retailflow.contracts import Table, ddl

_DELETE = "_delete"
CHANGE, COMMIT = "_change_type", "_commit_version"  # of a change feed
# The last two: two runs create one table.
_CONFLICT = re.compile(
    r"DELTA_(CONCURRENT_|METADATA_CHANGED|PROTOCOL_CHANGED)|Concurrent\w+Exception|_NON_EMPTY_LOCATION|ALREADY_EXISTS"
)
_ATTEMPTS = 8
# Commits that change no row.
_UPKEEP = (
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UPGRADE PROTOCOL"),
    *("ADD COLUMNS", "CHANGE COLUMN", "ADD CONSTRAINT", "DROP CONSTRAINT"),
)


class TableError(RuntimeError):
    """A table cannot follow its contract. It is as it was."""


class Tables:
    """The tables of one catalog.

    Names are `schema.table`. The catalog is the environment's, and so is the group that sees restricted columns of
    GOLD. `commits` has the first and the last version that this object wrote of each table. A write that conflicts with
    another run's is repeated on what that run left.
    """

    def __init__(self, spark: SparkSession, catalog: str, restricted_group: str | None = None) -> None:
        self.spark = spark
        self.catalog = catalog
        self.restricted_group = restricted_group
        self.commits: dict[str, tuple[int, int]] = {}

    def path(self, name: str) -> str:
        """The full name. GOLD is built in `gold_build`; `gold` has the views of what was published (release.py)."""
        schema, _, table = name.partition(".")
        return f"{self.catalog}.{'gold_build' if schema == 'gold' else schema}.{table}"

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The table as it is, or as a commit left it."""
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        return reader.table(self.path(name))

    def read_day(self, table: Table, ingestion_date: date) -> DataFrame:
        return self.read(table.name).where(F.col("ingestion_date") == F.lit(ingestion_date))

    def version(self, name: str) -> int:
        """The number of the table's newest commit."""
        return self.history(name, 1).first().version

    def history(self, name: str, count: int) -> DataFrame:
        """The newest commits: `version`, `timestamp`, `operation` and more."""
        return self.spark.sql(f"DESCRIBE HISTORY {self.path(name)} LIMIT {count}")

    def size(self, name: str) -> tuple[int, int]:
        """How many files the table has, and their bytes."""
        detail = self.spark.sql(f"DESCRIBE DETAIL {self.path(name)}").first()
        return detail.numFiles, detail.sizeInBytes

    def since(self, name: str, version: int) -> tuple[int, int | None]:
        """The newest commit, and the first after `version` that changes a row; None where there is only upkeep.

        A change feed must begin there: Delta refuses one that begins before `delta.deletedFileRetentionDuration`, and
        a table that rests has old commits of upkeep after the last that was taken in.
        """
        count = 10
        while True:
            commits = self.history(name, count).select("version", "operation").collect()
            if len(commits) < count or commits[-1].version <= version + 1:
                break
            count = commits[0].version - version + 10
        changes = (c.version for c in commits if c.version > version and c.operation not in _UPKEEP)
        return commits[0].version, min(changes, default=None)

    def change_feed(self, name: str, first: int, last: int) -> DataFrame:
        """The rows that commits `first` to `last` inserted, deleted, or updated (before and after).

        Besides the table's columns: `_change_type` (insert, delete, update_preimage, update_postimage),
        `_commit_version` and `_commit_timestamp`.
        """
        reader = self.spark.read.option("readChangeFeed", "true")
        return reader.option("startingVersion", first).option("endingVersion", last).table(self.path(name))

    def changes(self, name: str, first: int, last: int, *kinds: str) -> DataFrame:
        """The rows of `change_feed`, or those of these kinds, without its own columns."""
        feed = self.change_feed(name, first, last)
        wanted = feed.where(F.col(CHANGE).isin(*kinds)) if kinds else feed
        return wanted.drop(CHANGE, COMMIT, "_commit_timestamp")

    def value_changes(self, name: str, first: int, last: int, values: list[str]) -> DataFrame:
        """The rows of `change_feed` by these columns, but those that are the same before and after.

        A row that is brought again as it was, from another file and date, changes nothing that is made of it.
        """
        sign = F.when(F.col(CHANGE).isin("insert", "update_postimage"), 1).otherwise(-1)
        net = self.change_feed(name, first, last).groupBy(*values).agg(F.sum(sign).alias("_net"))
        return net.where("_net <> 0").select(*values)

    def create(self, tables: Iterable[Table]) -> None:
        """Create the tables that are not there, and let the others follow their contracts: columns, types that hold all
        values, comments, properties, row checks. Their rows follow by a rebuild or a replay.

        Raises: TableError where a table can follow its contract only by being written anew.
        """
        for table in tables:
            _repeated(partial(self._create, table))

    def _create(self, table: Table) -> None:
        path, found = self.path(table.name), self.properties(table.name)
        if found is None:
            self.spark.sql(ddl.create_table(table, path))
        elif found.get(ddl.CONTRACT) != ddl.digest(table):
            self._follow_contract(table, path, found)

    def create_view(self, name: str, comment: str, query: str) -> None:
        _repeated(lambda: self.spark.sql(f"CREATE OR REPLACE VIEW {self.path(name)} COMMENT '{comment}' AS {query}"))

    def _follow_contract(self, table: Table, path: str, properties: Mapping[str, str]) -> None:
        print(f"{table.name} was made by another contract: it is brought up to date")
        fields = self.spark.read.table(path).schema.fields
        columns = {f.name: (f.dataType.simpleString(), f.nullable, f.metadata.get("comment", "")) for f in fields}
        partition = self.spark.sql(f"DESCRIBE DETAIL {path}").first().partitionColumns
        present = ddl.Present(columns, tuple(partition), properties)
        try:
            statements = ddl.alterations(table, path, present)
        except ValueError as error:
            raise TableError(f"{error}. Drop the table, and replay all dates of its feed.") from None
        for statement in statements:
            self.spark.sql(statement)
        try:
            for statement in ddl.new_constraints(table, path, present):
                self.spark.sql(statement)
        except PySparkException as error:
            if error.getCondition() != "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION":
                raise
            print(f"{table.name} has rows that break a new check; the check is added when they are built anew")
        else:
            self.set_property(table.name, ddl.CONTRACT, ddl.digest(table))

    def properties(self, name: str) -> dict[str, str] | None:
        """The properties of a table; None where there is no such table."""
        try:
            return {row.key: row.value for row in self.spark.sql(f"SHOW TBLPROPERTIES {self.path(name)}").collect()}
        except AnalysisException as error:
            if error.getCondition() != "TABLE_OR_VIEW_NOT_FOUND":
                raise
            return None

    def replace_day(self, frame: DataFrame, table: Table, ingestion_date: date) -> None:
        """Make the slice of one ingestion date hold exactly these rows."""
        writer = frame.select(*table.column_names).write.format("delta").mode("overwrite")
        writer = writer.option("replaceWhere", f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'")
        _repeated(lambda: writer.saveAsTable(self.path(table.name)))
        self._note(table.name)

    def replace_day_in_sequence(self, frame: DataFrame, table: Table, ingestion_date: date, sequence: int) -> bool:
        """Make the slice of one ingestion date hold these rows, unless one of a higher `sequence` already does.

        Returns: False where another run wrote meanwhile. It is not repeated, since the frame may be older than that.
        """
        identity = f"{table.name}/{ingestion_date:%Y-%m-%d}"
        options = {
            "replaceWhere": f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'",
            "txnAppId": identity,
            "txnVersion": str(sequence),
        }
        writer = frame.select(*table.column_names).write.format("delta").mode("overwrite").options(**options)
        try:
            writer.saveAsTable(self.path(table.name))
        except PySparkException as error:
            if not _CONFLICT.search(str(error)):
                raise
            return False
        self._note(table.name)
        return True

    def append(self, frame: DataFrame, table: Table) -> None:
        """Add the rows. An append conflicts with nothing, so it is never repeated."""
        frame.select(*table.column_names).write.format("delta").mode("append").saveAsTable(self.path(table.name))

    def append_rows(self, rows: list[Mapping[str, Any]], table: Table) -> None:
        self.append(self._frame(rows, table), table)

    def insert_absent(self, rows: list[Mapping[str, Any]], table: Table) -> int:
        """Insert the rows whose keys are not there. Returns how many; of several runs at once, one inserts a key."""
        self._frame(rows, table).createOrReplaceTempView("wanted")
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.key)
        statement = f"MERGE INTO {self.path(table.name)} t USING wanted s ON {same_key} WHEN NOT MATCHED THEN INSERT *"
        return self._merge(table, statement).num_affected_rows

    def delete(self, table: Table, condition: str) -> None:
        """Delete the rows that meet a condition of SQL."""
        _repeated(lambda: self.spark.sql(f"DELETE FROM {self.path(table.name)} WHERE {condition}").collect())

    def update(self, table: Table, column: str, expression: str, condition: str) -> None:
        """Set a column of the rows that meet a condition of SQL."""
        statement = f"UPDATE {self.path(table.name)} SET {column} = {expression} WHERE {condition}"
        _repeated(lambda: self.spark.sql(statement).collect())

    def is_view(self, name: str) -> bool:
        about = self.spark.sql(f"DESCRIBE TABLE EXTENDED {self.path(name)}").where("col_name = 'Type'").first()
        return about.data_type == "VIEW"

    def _frame(self, rows: list[Mapping[str, Any]], table: Table) -> DataFrame:
        schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        return self.spark.createDataFrame([tuple(row[name] for name in table.column_names) for row in rows], schema)

    def fill(self, table: Table, frame: DataFrame) -> None:
        """Make an empty table hold these rows. Two at once conflict rather than doubling them."""
        rows = frame.select(*table.column_names)
        _repeated(lambda: rows.write.format("delta").insertInto(self.path(table.name), overwrite=True))
        self._note(table.name)

    def _merge(self, table: Table, statement: str) -> Row:
        """Runs a MERGE; returns its counts. One that changes no row makes no commit."""
        counts = _repeated(lambda: self.spark.sql(statement).first())
        if counts.num_affected_rows:
            self._note(table.name)
        return counts

    def _note(self, name: str) -> None:
        version = self.version(name)
        first, _ = self.commits.get(name, (version, version))
        self.commits[name] = (first, version)

    def optimize(self, name: str) -> tuple[int, int]:
        """Write small files together, where a partition has several. Returns how many went, and how many came."""
        done = _repeated(lambda: self.spark.sql(f"OPTIMIZE {self.path(name)}").first())
        return done.metrics.numFilesRemoved, done.metrics.numFilesAdded

    def vacuum(self, name: str) -> None:
        """Delete files that no version needs which is younger than the table's `delta.deletedFileRetentionDuration`."""
        _repeated(lambda: self.spark.sql(f"VACUUM {self.path(name)}").collect())

    def purge(self, name: str) -> None:
        """Write the files anew in which rows are only marked as deleted."""
        _repeated(lambda: self.spark.sql(f"REORG TABLE {self.path(name)} APPLY (PURGE)").collect())

    def vacuum_now(self, table: Table, hours: int, before: Callable[[], None] | None = None) -> None:
        """Delete files that no version needs which is younger than that, whatever the table's retention is.

        By the table's property for as long as it takes: serverless compute does not let a session shorten it. Meanwhile
        Delta refuses older versions to who reads by number; `before` can move them to the newest.
        """
        try:
            self._retain(table, f"{hours} hours")
            if before:
                before()
            self.vacuum(table.name)
        finally:
            self._retain(table, f"{table.retention_days} days")

    def _retain(self, table: Table, interval: str) -> None:
        self.set_property(table.name, "delta.deletedFileRetentionDuration", f"interval {interval}")

    def touch(self, name: str) -> None:
        """Add a commit that changes no row."""
        self.set_property(name, "retailflow.touched", f"{datetime.now(UTC):%Y-%m-%d}")

    def set_property(self, name: str, key: str, value: str) -> None:
        _repeated(lambda: self.spark.sql(f"ALTER TABLE {self.path(name)} SET TBLPROPERTIES ('{key}' = '{value}')"))

    def analyze(self, name: str) -> bool:
        """Count for the query planner. False where the platform keeps no such counts for Delta, as open source."""
        try:
            _repeated(lambda: self.spark.sql(f"ANALYZE TABLE {self.path(name)} COMPUTE STATISTICS").collect())
        except PySparkException as error:
            if error.getCondition() != "NOT_SUPPORTED_COMMAND_FOR_V2_TABLE":
                raise
            return False
        return True

    def delete_same(self, table: Table, rows: DataFrame, columns: tuple[str, ...], prune: str) -> Row:
        """Delete the rows that have the same values in these columns. `prune` as of `upsert_latest`."""
        rows.createOrReplaceTempView("unwanted")
        same_values = " AND ".join(f"t.{name} = s.{name}" for name in columns)
        return self._merge(
            table,
            f"MERGE INTO {self.path(table.name)} t USING unwanted s ON {same_values} AND {prune} "
            "WHEN MATCHED THEN DELETE",
        )

    def upsert_latest(self, frame: DataFrame, table: Table, order: tuple[str, ...], prune: str | None) -> Row:
        """Keep, for each identity, the row that is greatest by `order`, of those in the table and these.

        Args:
            frame: at most one row an identity.
            prune: a condition on the target (`t`) with literals, true for every row of these. A literal keeps merges of
                different dates from conflicting.

        Returns: Delta's counts: num_affected_rows, num_inserted_rows, num_updated_rows.
        """
        frame.createOrReplaceTempView("incoming")
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.identity)
        newer = f"struct({_of('s', order)}) > struct({_of('t', order)})"
        # A correction of our own code gives the same record other values: it must reach the table as well.
        mended = f"struct({_of('s', order)}) = struct({_of('t', order)}) AND {_differs(table.column_names)}"
        return self._merge(
            table,
            f"MERGE INTO {self.path(table.name)} t USING incoming s ON {same_key} AND {prune or 'true'} "
            f"WHEN MATCHED AND ({newer} OR ({mended})) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        )

    def make_equal(self, table: Table, wanted: DataFrame, scope: DataFrame | None, prune: str | None = None) -> Row:
        """Make the table's rows within a scope equal to `wanted`: insert, update what differs, delete what is gone.

        Args:
            scope: the distinct values of some columns of the table; None is the whole table.
            prune: as of `upsert_latest`, true also for every row of the table that is in scope.

        Returns: Delta's counts: num_affected_rows, num_inserted_rows, num_updated_rows, num_deleted_rows.
        """
        current = self.read(table.name).alias("t").where(prune or "true")
        if scope is not None:
            current = having(current, scope)
        difference(current, wanted, table).createOrReplaceTempView("difference")
        names = table.column_names
        identity = " AND ".join(f"t.{name} = s.{name}" for name in table.identity)
        return self._merge(
            table,
            f"MERGE INTO {self.path(table.name)} t USING difference s ON {identity} AND {prune or 'true'} "
            f"WHEN MATCHED AND s.{_DELETE} THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{n} = s.{n}' for n in names)} "
            f"WHEN NOT MATCHED AND NOT s.{_DELETE} THEN INSERT ({', '.join(names)}) VALUES ({_of('s', names)})",
        )


def having(frame: DataFrame, keys: DataFrame) -> DataFrame:
    """The rows whose values of the columns of `keys` are one of its rows; a null is a null."""
    wanted = keys.toDF(*(f"_{name}" for name in keys.columns))
    return frame.join(wanted, same(keys.columns), "left_semi")


def same(names: Iterable[str]) -> Column:
    """Whether columns of two tables are the same, those of the second with a `_` before their names."""
    return reduce(Column.__and__, (F.col(name).eqNullSafe(F.col(f"_{name}")) for name in names))


def date_in(column: str, dates: Iterable[date]) -> str:
    """The condition of SQL that a column is one of these dates, by literals; never true where there is none."""
    literals = ", ".join(f"DATE '{value:%Y-%m-%d}'" for value in sorted(dates))
    return f"{column} IN ({literals or 'NULL'})"


def difference(current: DataFrame, wanted: DataFrame, table: Table) -> DataFrame:
    """The rows to write so that `current` becomes `wanted`; rows to take away carry `_delete`."""
    identity = list(table.identity)
    names = table.column_names
    old = current.select(F.struct(*names).alias("old"), *identity)
    new = wanted.select(F.struct(*names).alias("new"), *identity)
    changed = old.join(new, on=identity, how="full_outer").where(~F.col("old").eqNullSafe(F.col("new")))
    gone = F.col("new").isNull()
    row = F.when(gone, F.col("old")).otherwise(F.col("new")).alias("row")
    return changed.select(row, gone.alias(_DELETE)).select("row.*", _DELETE)


def _repeated(write: Callable[[], Any]) -> Any:
    """The write, repeated while other runs' commits conflict with it, up to some two minutes."""
    for attempt in range(_ATTEMPTS):
        try:
            return write()
        except PySparkException as error:
            if attempt == _ATTEMPTS - 1 or not _CONFLICT.search(str(error)):
                raise
            time.sleep(random.uniform(0.5, 1) * 2**attempt / 2)
    raise AssertionError("unreachable")


def _of(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


def _differs(names: Iterable[str]) -> str:
    return f"NOT ({' AND '.join(f's.{name} <=> t.{name}' for name in names)})"
