"""The one writer: every change of a table goes through here, each as one atomic Delta commit that is safe to repeat."""

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from retailflow.contracts import Table
from retailflow.contracts.ddl import create_table

_DELETE = "_delete"


class Tables:
    """The tables of one catalog.

    Names are `schema.table`; the catalog is the environment's.
    """

    def __init__(self, spark: SparkSession, catalog: str) -> None:
        self.spark = spark
        self.catalog = catalog

    def read(self, name: str) -> DataFrame:
        return self.spark.read.table(f"{self.catalog}.{name}")

    def read_day(self, table: Table, ingestion_date: date) -> DataFrame:
        return self.read(table.name).where(F.col("ingestion_date") == F.lit(ingestion_date))

    def version(self, name: str) -> int:
        """The number of the table's newest commit."""
        return self.spark.sql(f"DESCRIBE HISTORY {self.catalog}.{name} LIMIT 1").first().version

    def changes(self, name: str, first: int, last: int) -> DataFrame:
        """The rows that commits `first` to `last` inserted, deleted, or updated (before and after)."""
        return (
            self.spark.read.option("readChangeFeed", "true")
            .option("startingVersion", first)
            .option("endingVersion", last)
            .table(f"{self.catalog}.{name}")
            .drop("_change_type", "_commit_version", "_commit_timestamp")
        )

    def create(self, tables: Iterable[Table]) -> None:
        for table in tables:
            if not self.spark.catalog.tableExists(f"{self.catalog}.{table.name}"):
                self.spark.sql(create_table(table, self.catalog))

    def replace_day(self, frame: DataFrame, table: Table, ingestion_date: date) -> None:
        """Make the slice of one ingestion date hold exactly these rows."""
        (
            frame.select(*table.column_names)
            .write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", f"ingestion_date = DATE '{ingestion_date:%Y-%m-%d}'")
            .saveAsTable(f"{self.catalog}.{table.name}")
        )

    def append(self, frame: DataFrame, table: Table) -> None:
        frame.select(*table.column_names).write.format("delta").mode("append").saveAsTable(
            f"{self.catalog}.{table.name}"
        )

    def fill(self, table: Table, frame: DataFrame) -> None:
        """Make an empty table hold these rows. Two at once conflict rather than doubling them."""
        name = f"{self.catalog}.{table.name}"
        frame.select(*table.column_names).write.format("delta").insertInto(name, overwrite=True)

    def merge_newest(self, frame: DataFrame, table: Table, order: tuple[str, ...], prune: str | None) -> None:
        """Keep, for each key, the row that is greatest by `order`, of those in the table and these.

        Args:
            frame: at most one row a key.
            prune: a condition on the target (`t`) with literals, true for every row of these keys. A literal keeps
                merges of different dates from conflicting.
        """
        frame.createOrReplaceTempView("incoming")
        same_key = " AND ".join(f"t.{name} = s.{name}" for name in table.key)
        newer = f"struct({_of('s', order)}) > struct({_of('t', order)})"
        # A correction of our own code gives the same record other values: it must reach the table as well.
        mended = f"struct({_of('s', order)}) = struct({_of('t', order)}) AND {_differs(table.column_names)}"
        self.spark.sql(
            f"MERGE INTO {self.catalog}.{table.name} t USING incoming s ON {same_key} AND {prune or 'true'} "
            f"WHEN MATCHED AND ({newer} OR ({mended})) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )

    def make_equal(self, table: Table, wanted: DataFrame, scope: DataFrame | None) -> None:
        """Make the table's rows within a scope equal to `wanted`: insert, update what differs, delete what is gone.

        Args:
            scope: the distinct values of some columns of the table; None is the whole table.
        """
        current = self.read(table.name)
        if scope is not None:
            current = current.join(scope, on=scope.columns, how="left_semi")
        difference(current, wanted, table).createOrReplaceTempView("difference")
        names = table.column_names
        identity = " AND ".join(f"t.{name} = s.{name}" for name in _identity(table))
        self.spark.sql(
            f"MERGE INTO {self.catalog}.{table.name} t USING difference s ON {identity} "
            f"WHEN MATCHED AND s.{_DELETE} THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{n} = s.{n}' for n in names)} "
            f"WHEN NOT MATCHED AND NOT s.{_DELETE} THEN INSERT ({', '.join(names)}) VALUES ({_of('s', names)})"
        )


def difference(current: DataFrame, wanted: DataFrame, table: Table) -> DataFrame:
    """The rows to write so that `current` becomes `wanted`; rows to take away carry `_delete`."""
    identity = _identity(table)
    names = table.column_names
    old = current.select(F.struct(*names).alias("old"), *identity)
    new = wanted.select(F.struct(*names).alias("new"), *identity)
    changed = old.join(new, on=identity, how="full_outer").where(~F.col("old").eqNullSafe(F.col("new")))
    gone = F.col("new").isNull()
    row = F.when(gone, F.col("old")).otherwise(F.col("new")).alias("row")
    return changed.select(row, gone.alias(_DELETE)).select("row.*", _DELETE)


def _identity(table: Table) -> list[str]:
    """The key and the partition: a row that moves to another partition is a deletion there and an insertion here."""
    return list(dict.fromkeys((*table.key, *table.partition)))


def _of(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


def _differs(names: Iterable[str]) -> str:
    return f"NOT ({' AND '.join(f's.{name} <=> t.{name}' for name in names)})"
