"""The one writer: every change of a table's rows is an atomic Delta commit made here, and safe to repeat."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row

from retailflow.contracts import Table
from retailflow_spark.delta.commits import Commit
from retailflow_spark.delta.conflicts import is_conflict, repeated
from retailflow_spark.delta.reader import Reader
from retailflow_spark.delta.rows import CHANGED, GONE, KIND, MOST_ROWS, NEW, difference, fetched, having, literal_rows


@dataclass(frozen=True)
class Write:
    """The result of a write to one table.

    `versions` are its commits in order; there are none if nothing had to change. `recent` are the table's newest
    commits right after the last of them, the newest first. A count is None if the write does not count.
    """

    table: str
    versions: tuple[int, ...] = ()
    recent: tuple[Commit, ...] = ()
    inserted: int | None = None
    updated: int | None = None
    changed: int | None = None  # rows inserted, updated or deleted


class Tables(Reader):
    """Reads and writes the tables of one catalog.

    A write that conflicts with a write of another run is repeated on the table as that run left it.
    """

    def replace_day(self, frame: DataFrame, table: Table, ingestion_date: date) -> Write:
        """Replace the slice of one ingestion date with these rows."""
        writer = frame.select(*table.column_names).write.format("delta").mode("overwrite")
        writer = writer.option("replaceWhere", f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'")
        repeated(lambda: writer.saveAsTable(self.path(table.name)))
        return self._written(table)

    def replace_day_in_sequence(
        self, frame: DataFrame, table: Table, ingestion_date: date, sequence: int, note: str
    ) -> Write | None:
        """Replace the slice of one ingestion date with these rows, unless it has rows of a higher `sequence`.

        Args:
            note: a text that `newest_of_day` returns with the commit.

        Returns: None where another run wrote at the same time. The write is not repeated: the frame may be outdated.
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
            if not is_conflict(error):
                raise
            return None
        return self._written(table)

    def append(self, frame: DataFrame, table: Table, note: str | None = None) -> None:
        """Append the rows. An append conflicts with no other write, so it is never repeated.

        Args:
            note: a text that the table's history stores with the commit.
        """
        writer = frame.select(*table.column_names).write.format("delta").mode("append")
        (writer.option("userMetadata", note) if note else writer).saveAsTable(self.path(table.name))

    def append_rows(self, rows: list[Mapping[str, Any]], table: Table, note: str | None = None) -> None:
        """Append rows of the client, which are values by column name."""
        self.append(self._frame(rows, table), table, note)

    def insert_if_absent(self, rows: list[Mapping[str, Any]], table: Table) -> int:
        """Insert the rows whose keys are absent. Returns how many. If several runs do so at once, one inserts a key."""
        target = self._merge_on(table, table.key)
        return self._merge(table, f"{target} WHEN NOT MATCHED THEN INSERT *", self._frame(rows, table)).inserted or 0

    def update(self, table: Table, column: str, expression: str, condition: str) -> None:
        """Set a column to a SQL expression, in the rows that meet a SQL condition."""
        statement = f"UPDATE {self.path(table.name)} SET {column} = {expression} WHERE {condition}"
        repeated(lambda: self.spark.sql(statement).collect())

    def initial_load(self, table: Table, frame: DataFrame) -> Write:
        """Write all rows of an empty table. If two runs do so at once, one conflicts and repeats: no row is doubled."""
        rows = frame.select(*table.column_names)
        repeated(lambda: rows.write.format("delta").insertInto(self.path(table.name), overwrite=True))
        return self._written(table)

    def delete_same(self, table: Table, rows: DataFrame, columns: tuple[str, ...], prune: str) -> Write:
        """Delete the rows of the table that are equal to one of `rows` in these columns.

        Args:
            prune: as in `upsert_latest`.
        """
        return self._merge(table, f"{self._merge_on(table, columns, prune)} WHEN MATCHED THEN DELETE", rows)

    def upsert_latest(
        self, frame: DataFrame, table: Table, order: tuple[str, ...], prune: str | None, new: int | None = None
    ) -> Write:
        """Keep the latest row of each identity: the greatest by `order` among the rows of the table and of `frame`.

        Args:
            frame: at most one row for each identity.
            prune: a condition on the target (`t`) with literals. It is true for each row of `frame`. Because of the
                literals, merges of different dates do not conflict.
            new: the number of rows, if probably all of them are new. A MERGE that only inserts runs first; it costs a
                third of a MERGE that also updates. The latter follows only if some rows were not new.
        """
        target, insert = self._merge_on(table, table.identity, prune), "WHEN NOT MATCHED THEN INSERT *"
        write = self._merge(table, f"{target} {insert}", frame) if new else Write(table.name, inserted=0, updated=0)
        if new is not None and write.inserted == new:
            return write
        newer = f"struct({_of('s', order)}) > struct({_of('t', order)})"
        # After a correction of our own code, the same record has other values. They must reach the table too.
        mended = f"struct({_of('s', order)}) = struct({_of('t', order)}) AND {_differs(table.column_names)}"
        update = f"WHEN MATCHED AND ({newer} OR ({mended})) THEN UPDATE SET *"
        return _sum(write, self._merge(table, f"{target} {update} {insert}", frame))

    def sync_rows(
        self,
        table: Table,
        wanted: DataFrame,
        keys: DataFrame | None,
        prune: str | None = None,
        *,
        is_small: bool = True,
    ) -> Write:
        """Make the table's rows of these keys equal to `wanted`: insert new, update changed and delete missing rows.

        A small difference is fetched first. Without a difference there is no MERGE, and a MERGE that only inserts costs
        a third of one that also updates. Another run may write in between; see `gold.refresh`.

        Args:
            keys: the distinct values of some columns of the table; None means the whole table.
            prune: as in `upsert_latest`, and also true for each row of the table that has one of the keys.
            is_small: whether the difference may be small enough to fetch.
        """
        current = self.read(table.name).alias("t").where(prune or "true")
        if keys is not None:
            current = having(current, keys)
        differing = difference(current, wanted, table)
        names, kinds = table.column_names, {NEW, CHANGED, GONE}
        rows = fetched(differing, MOST_ROWS) if is_small else None
        if rows is not None:
            kinds = set(rows[KIND].to_pylist())
            differing = literal_rows(self.spark, rows, differing.schema)
        if not kinds:
            return Write(table.name, changed=0)
        clauses = {
            GONE: f"WHEN MATCHED AND s.{KIND} = '{GONE}' THEN DELETE",
            CHANGED: f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{name} = s.{name}' for name in names)}",
            NEW: f"WHEN NOT MATCHED AND s.{KIND} = '{NEW}' THEN INSERT ({', '.join(names)}) VALUES ({_of('s', names)})",
        }
        asked = " ".join(clause for kind, clause in clauses.items() if kind in kinds)
        return self._merge(table, f"{self._merge_on(table, table.identity, prune)} {asked}", differing)

    def set_property(self, name: str, key: str, value: str) -> None:
        """Set a property of the table, by a commit that changes no row."""
        repeated(lambda: self.spark.sql(f"ALTER TABLE {self.path(name)} SET TBLPROPERTIES ('{key}' = '{value}')"))

    def _merge_on(self, table: Table, columns: Iterable[str], prune: str | None = None) -> str:
        """Return the beginning of a MERGE into `t` from `s`, whose rows match where these columns are equal."""
        same = " AND ".join(f"t.{name} = s.{name}" for name in columns)
        return f"MERGE INTO {self.path(table.name)} t USING {{source}} s ON {same} AND {prune or 'true'}"

    def _merge(self, table: Table, statement: str, source: DataFrame) -> Write:
        """Run a MERGE. A MERGE that changes no row makes no commit."""
        counts: Row = repeated(lambda: self.spark.sql(statement, source=source).first())
        return self._written(table, counts) if counts.num_affected_rows else _counted(table, counts)

    def _written(self, table: Table, counts: Row | None = None) -> Write:
        recent = tuple(self.recent_commits(table.name))
        return _counted(table, counts, (recent[0].version,), recent)

    def _frame(self, rows: list[Mapping[str, Any]], table: Table) -> DataFrame:
        schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        return self.spark.createDataFrame([tuple(row[name] for name in table.column_names) for row in rows], schema)


def _counted(
    table: Table, counts: Row | None, versions: tuple[int, ...] = (), recent: tuple[Commit, ...] = ()
) -> Write:
    if counts is None:
        return Write(table.name, versions, recent)
    numbers = counts.num_inserted_rows, counts.num_updated_rows, counts.num_affected_rows
    return Write(table.name, versions, recent, *numbers)


def _sum(first: Write, second: Write) -> Write:
    """Return two consecutive writes of one table as one."""
    return Write(
        first.table,
        first.versions + second.versions,
        second.recent or first.recent,
        (first.inserted or 0) + (second.inserted or 0),
        (first.updated or 0) + (second.updated or 0),
        (first.changed or 0) + (second.changed or 0),
    )


def _of(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


def _differs(names: Iterable[str]) -> str:
    return f"NOT ({' AND '.join(f's.{name} <=> t.{name}' for name in names)})"
