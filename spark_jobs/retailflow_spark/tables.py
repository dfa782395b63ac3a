"""The one writer: every change of a table goes through here, each as one atomic Delta commit that is safe to repeat."""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial, reduce
from hashlib import md5
from typing import Any, Self

import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from retailflow.contracts import Table, ddl
from retailflow.contracts.privacy import MASK, classification_tag, is_masked, tag_columns
from retailflow.environments import Environment
from retailflow_spark.commits import Commit, commits

MOST_ROWS = 200_000  # that go on as rows of a query
MOST_LITERAL_BYTES = 64 * 2**20  # of these rows, in Arrow; serverless compute refuses 128 MB
_KIND = "_kind"
_NEW, _CHANGED, _GONE = "new", "changed", "gone"
CHANGE, COMMIT = "_change_type", "_commit_version"  # of a change feed
# The last two: two runs create one table.
_CONFLICT = re.compile(
    r"DELTA_(CONCURRENT_|METADATA_CHANGED|PROTOCOL_CHANGED)|Concurrent\w+Exception|_NON_EMPTY_LOCATION|ALREADY_EXISTS"
)
_TAGGED = "retailflow.tagged"  # the property with the digest of the tags that a table's columns have
_ATTEMPTS = 8
_LOOKED_AT = 10  # of a table's newest commits, at a time
_LOOKED_AT_FOR_A_DATE = 40  # each date has a commit; a history of 40 costs half more than one of 1


class TableError(RuntimeError):
    """A table cannot follow its contract, or no policy masks it. Its rows are as they were."""


class Tables:
    """The tables of one catalog.

    Names are `schema.table`. The catalog is the environment's, and so is the group that sees restricted columns. A
    laptop has neither the group nor masks. `commits` has the first and the last version that this object wrote of each
    table, and `written` how many. A write that conflicts with another run's is repeated on what that run left.
    """

    def __init__(self, spark: SparkSession, catalog: str, restricted_group: str | None = None) -> None:
        self.spark = spark
        self.catalog = catalog
        self.restricted_group = restricted_group
        self.commits: dict[str, tuple[int, int]] = {}
        self.written: Counter[str] = Counter()
        self._noted: dict[str, list[Commit]] = {}

    @classmethod
    def of(cls, spark: SparkSession, env: Environment) -> Self:
        """The tables of an environment."""
        return cls(spark, env.catalog, env.restricted_group)

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

    def since(self, name: str, version: int, *, as_noted: bool = False) -> tuple[int, int | None]:
        """The newest commit, and the first after `version` that changes a row; None where there is only upkeep.

        A change feed must begin there: Delta refuses one that begins before `delta.deletedFileRetentionDuration`, and
        a table that rests has old commits of upkeep after the last that was taken in.
        """
        newest, changes = self.commits_after(name, version, as_noted=as_noted)
        return newest, changes[-1].version if changes else None

    def commits_after(self, name: str, version: int, *, as_noted: bool = False) -> tuple[int, list[Commit]]:
        """The newest commit, and all after `version` that change a row, the newest of them first.

        Args:
            as_noted: as they were right after this object's last write of the table, where there was one since it was
                last asked so. That spares a query of the history.
        """
        found = (self._noted.pop(name, None) if as_noted else None) or self._commits(name, _LOOKED_AT)
        if len(found) == _LOOKED_AT and found[-1].version > version + 1:
            found = self._commits(name, found[0].version - version + _LOOKED_AT)
        return found[0].version, [one for one in found if one.version > version and not one.is_upkeep]

    def newest_commits(self, name: str) -> list[Commit]:
        """The newest few commits, the newest first."""
        return self._commits(name, _LOOKED_AT)

    def newest_of_day(self, name: str, ingestion_date: date) -> Commit | None:
        """The newest commit that may have changed rows of an ingestion date; None where that was long ago, or where
        there is no such table.
        """
        try:
            found = self._commits(name, _LOOKED_AT_FOR_A_DATE)
        except AnalysisException as error:
            if not is_absent(error):
                raise
            return None
        return next((one for one in found if one.may_concern(ingestion_date)), None)

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

    def value_changes(self, name: str, changes: Collection[Commit], values: list[str]) -> DataFrame:
        """The rows of `change_feed` by these columns, except those that are the same before and after a commit.

        A row that is brought again as it was, from another file and date, changes nothing that is made of it. One that
        comes and goes again may: a run that died, or is about to write, may have taken it in between. Commits that only
        insert have no such rows, and a query of their feed reads no column that it does not need.

        Args:
            changes: commits that change a row, with none left out between them.

        Returns: `values`, the commit as `_commit_version`, and `_net`: above 0 for a row that is there after it, below
        for one that was there before.
        """
        versions = [one.version for one in changes]
        feed = self.change_feed(name, min(versions), max(versions))
        sign = F.when(F.col(CHANGE).isin("insert", "update_postimage"), 1).otherwise(-1).cast("long").alias("_net")
        rows = feed.select(*values, COMMIT, sign)
        if all(one.only_inserts for one in changes):
            return rows
        return rows.groupBy(*values, COMMIT).agg(F.sum("_net").alias("_net")).where("_net <> 0")

    def create(self, tables: Iterable[Table]) -> None:
        """Create the tables that are not there, and let the others follow their contracts: columns, types that hold all
        values, comments, properties, row checks, tags. Their rows follow by a rebuild or a replay.

        Raises: TableError where a table can follow its contract only by being written anew, or no policy masks it.
        """
        for table in tables:
            _repeated(partial(self._create, table))

    def _create(self, table: Table) -> None:
        path, found = self.path(table.name), self.properties(table.name)
        if found is None:
            self.spark.sql(ddl.create_table(table, path))
        elif found.get(ddl.CONTRACT) != ddl.digest(table):
            self._follow_contract(table, path, found)
        if self.restricted_group and is_masked(table):
            self._tag(table, path, (found or {}).get(_TAGGED))

    def _tag(self, table: Table, path: str, tagged: str | None) -> None:
        """Tag the columns. Until a tag has taken effect, which may last minutes, the schema's policy hides the column.

        Raises: TableError where there is no such policy. A new table then stays empty.
        """
        statements = tag_columns(table, path, classification_tag(self.catalog))
        wanted = md5("\n".join(statements).encode()).hexdigest()
        if tagged == wanted:
            return
        policies = self.spark.sql(f"SHOW EFFECTIVE POLICIES ON TABLE {path}").collect()
        if not any(MASK in tuple(policy) for policy in policies):  # the name is the first of its columns
            raise TableError(
                f"No policy {MASK} masks {table.name}, and nothing was written to it. The release creates the policy: "
                "run the job retailflow_govern of the bundle (docs/UNITY_CATALOG.md), then this task again."
            )
        for statement in statements:
            self.spark.sql(statement)
        self.set_property(table.name, _TAGGED, wanted)  # last: a run that died before it is made up for

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
            if not is_absent(error):
                raise
            return None

    def replace_day(self, frame: DataFrame, table: Table, ingestion_date: date) -> None:
        """Make the slice of one ingestion date hold exactly these rows."""
        writer = frame.select(*table.column_names).write.format("delta").mode("overwrite")
        writer = writer.option("replaceWhere", f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'")
        _repeated(lambda: writer.saveAsTable(self.path(table.name)))
        self._note(table.name)

    def replace_day_in_sequence(
        self, frame: DataFrame, table: Table, ingestion_date: date, sequence: int, note: str
    ) -> bool:
        """Make the slice of one ingestion date hold these rows, unless one of a higher `sequence` already does.

        Args:
            note: what `newest_of_day` is to tell of the commit.

        Returns: False where another run wrote meanwhile. It is not repeated, since the frame may be older than that.
        """
        identity = f"{table.name}/{ingestion_date:%Y-%m-%d}"
        options = {
            "replaceWhere": f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'",
            "txnAppId": identity,
            "txnVersion": str(sequence),
            "userMetadata": note,
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

    def append(self, frame: DataFrame, table: Table, note: str | None = None) -> None:
        """Add the rows. An append conflicts with nothing, so it is never repeated.

        Args:
            note: what the history is to say of the commit.
        """
        writer = frame.select(*table.column_names).write.format("delta").mode("append")
        (writer.option("userMetadata", note) if note else writer).saveAsTable(self.path(table.name))

    def append_rows(self, rows: list[Mapping[str, Any]], table: Table, note: str | None = None) -> None:
        self.append(self._frame(rows, table), table, note)

    def insert_absent(self, rows: list[Mapping[str, Any]], table: Table) -> int:
        """Insert the rows whose keys are not there. Returns how many; of several runs at once, one inserts a key."""
        self._frame(rows, table).createOrReplaceTempView("wanted")
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.key)
        statement = f"MERGE INTO {self.path(table.name)} t USING wanted s ON {same_key} WHEN NOT MATCHED THEN INSERT *"
        return self._merge(table, statement).num_affected_rows

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
        self._noted[name] = self._commits(name, _LOOKED_AT)
        version = self._noted[name][0].version
        first, _ = self.commits.get(name, (version, version))
        self.commits[name] = (first, version)
        self.written[name] += 1

    def _commits(self, name: str, count: int) -> list[Commit]:
        return commits(self.history(name, count))

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

    def upsert_latest(
        self, frame: DataFrame, table: Table, order: tuple[str, ...], prune: str | None, new: int | None = None
    ) -> tuple[int, int]:
        """Keep, for each identity, the row that is greatest by `order`, of those in the table and these.

        Args:
            frame: at most one row an identity.
            prune: a condition on the target (`t`) with literals, true for every row of these. A literal keeps merges of
                different dates from conflicting.
            new: how many rows there are, where all of them are probably new: a MERGE that only inserts costs a third
                of one that updates too, which follows where some were not.

        Returns: how many rows were inserted, and how many updated.
        """
        frame.createOrReplaceTempView("incoming")
        inserted = self._insert_new(table, prune) if new else 0
        if new is not None and inserted == new:
            return inserted, 0
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.identity)
        newer = f"struct({_of('s', order)}) > struct({_of('t', order)})"
        # A correction of our own code gives the same record other values: it must reach the table as well.
        mended = f"struct({_of('s', order)}) = struct({_of('t', order)}) AND {_differs(table.column_names)}"
        counts = self._merge(
            table,
            f"MERGE INTO {self.path(table.name)} t USING incoming s ON {same_key} AND {prune or 'true'} "
            f"WHEN MATCHED AND ({newer} OR ({mended})) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        )
        return inserted + counts.num_inserted_rows, counts.num_updated_rows

    def _insert_new(self, table: Table, prune: str | None) -> int:
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.identity)
        return self._merge(
            table,
            f"MERGE INTO {self.path(table.name)} t USING incoming s ON {same_key} AND {prune or 'true'} "
            "WHEN NOT MATCHED THEN INSERT *",
        ).num_inserted_rows

    def make_equal(
        self,
        table: Table,
        wanted: DataFrame,
        scope: DataFrame | None,
        prune: str | None = None,
        *,
        is_small: bool = True,
    ) -> int:
        """Make the table's rows within a scope equal to `wanted`: insert, update what differs, delete what is gone.

        What differs is fetched first where it may be little: nothing is then merged where nothing does, and a MERGE
        that only inserts costs a third of another. Another run may write between; see `publish.refresh`.

        Args:
            scope: the distinct values of some columns of the table; None is the whole table.
            prune: as of `upsert_latest`, true also for every row of the table that is in scope.

        Returns: how many rows were inserted, updated or deleted.
        """
        current = self.read(table.name).alias("t").where(prune or "true")
        if scope is not None:
            current = having(current, scope)
        changed = difference(current, wanted, table)
        names, kinds = table.column_names, {_NEW, _CHANGED, _GONE}
        rows = fetched(changed, MOST_ROWS) if is_small else None
        if rows is not None:
            kinds = set(rows[_KIND].to_pylist())
            changed = literal_rows(self.spark, rows, changed.schema)
        changed.createOrReplaceTempView("difference")
        identity = " AND ".join(f"t.{name} = s.{name}" for name in table.identity)
        clauses = {
            _GONE: f"WHEN MATCHED AND s.{_KIND} = '{_GONE}' THEN DELETE",
            _CHANGED: f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{n} = s.{n}' for n in names)}",
            _NEW: f"WHEN NOT MATCHED AND s.{_KIND} = '{_NEW}' "
            f"THEN INSERT ({', '.join(names)}) VALUES ({_of('s', names)})",
        }
        asked = " ".join(clause for kind, clause in clauses.items() if kind in kinds)
        target = f"MERGE INTO {self.path(table.name)} t USING difference s ON {identity} AND {prune or 'true'}"
        return self._merge(table, f"{target} {asked}").num_affected_rows if asked else 0


def is_absent(error: AnalysisException) -> bool:
    """Whether a query was refused since there is no such table."""
    return error.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"


def fetched(frame: DataFrame, most: int) -> pa.Table | None:
    """All rows; None where there are more than that, or too many bytes to go on as rows of a query."""
    rows = frame.limit(most + 1).toArrow()
    return rows if rows.num_rows <= most and may_be_literal(rows) else None


def may_be_literal(*rows: pa.Table | pa.RecordBatch) -> bool:
    """Whether these may go on as rows of a query."""
    # Not `nbytes`: pyarrow 26 crashes on a column of lists without rows, as Spark sends it.
    return sum(part.get_total_buffer_size() for part in rows) <= MOST_LITERAL_BYTES


def literal_rows(spark: SparkSession, rows: pa.Table, schema: StructType) -> DataFrame:
    """Fetched rows as rows of a query: whatever asks for them asks no table.

    Columns may be null and carry no comments. A MERGE that keeps its source aside loses both, and cannot be resolved
    where it had compared by them.
    """
    plain = StructType([StructField(column.name, column.dataType) for column in schema])
    return spark.createDataFrame(rows, plain)


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
    """The rows to write so that `current` becomes `wanted`, each with its `_kind`: new, changed or gone."""
    identity = list(table.identity)
    names = table.column_names
    old = current.select(F.struct(*names).alias("old"), *identity)
    new = wanted.select(F.struct(*names).alias("new"), *identity)
    changed = old.join(new, on=identity, how="full_outer").where(~F.col("old").eqNullSafe(F.col("new")))
    kind = F.when(F.col("new").isNull(), _GONE).when(F.col("old").isNull(), _NEW).otherwise(_CHANGED).alias(_KIND)
    return changed.select(F.coalesce("new", "old").alias("row"), kind).select("row.*", _KIND)


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
