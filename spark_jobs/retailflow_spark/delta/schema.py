"""Create tables and views, and keep them as their contracts say: columns, comments, properties, row checks, tags."""

from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import md5

from pyspark.errors import PySparkException

from retailflow.contracts import Table, ddl
from retailflow.contracts.privacy import MASK, classification_tag, is_masked, tag_columns
from retailflow_spark.delta.conflicts import repeated
from retailflow_spark.delta.writer import Tables

_TAGGED = "retailflow.tagged"  # the table property with the digest of the tags of its columns


class TableError(RuntimeError):
    """A table cannot follow its contract, or no policy masks it. Its rows have not changed."""


def create(tables: Tables, wanted: Iterable[Table]) -> None:
    """Create the tables that do not exist, and update the others to their contracts.

    An update changes columns, widens types, and sets comments, properties, row checks and tags. It changes no row: a
    rebuild or a replay does so.

    Raises: TableError where a table would have to be rewritten, or no policy masks it.
    """
    for table in wanted:
        repeated(partial(_create, tables, table))


def create_view(tables: Tables, name: str, comment: str, query: str) -> None:
    """Create or replace a view."""
    statement = f"CREATE OR REPLACE VIEW {tables.path(name)} COMMENT '{comment}' AS {query}"
    repeated(lambda: tables.spark.sql(statement))


def _create(tables: Tables, table: Table) -> None:
    path, found = tables.path(table.name), tables.properties(table.name)
    if found is None:
        tables.spark.sql(ddl.create_table(table, path))
    elif found.get(ddl.CONTRACT) != ddl.digest(table):
        _follow_contract(tables, table, path, found)
    if tables.restricted_group and is_masked(table):
        _tag(tables, table, path, (found or {}).get(_TAGGED))


def _tag(tables: Tables, table: Table, path: str, tagged: str | None) -> None:
    """Tag the columns. A tag may take minutes to take effect; until then the schema's policy hides the column.

    Raises: TableError where the policy does not exist. A new table then stays empty.
    """
    statements = tag_columns(table, path, classification_tag(tables.catalog))
    wanted = md5("\n".join(statements).encode()).hexdigest()
    if tagged == wanted:
        return
    policies = tables.spark.sql(f"SHOW EFFECTIVE POLICIES ON TABLE {path}").collect()
    if not any(MASK in tuple(policy) for policy in policies):  # the first column is the policy's name
        raise TableError(
            f"No policy {MASK} masks {table.name}, and nothing was written to it. The release creates the policy: "
            "run the job retailflow_govern of the bundle (docs/UNITY_CATALOG.md), then this task again."
        )
    for statement in statements:
        tables.spark.sql(statement)
    tables.set_property(table.name, _TAGGED, wanted)  # last, so that the next run repeats the work of a run that died


def _follow_contract(tables: Tables, table: Table, path: str, properties: Mapping[str, str]) -> None:
    print(f"{table.name} was created from another version of its contract: it is brought up to date")
    fields = tables.spark.read.table(path).schema.fields
    columns = {f.name: (f.dataType.simpleString(), f.nullable, f.metadata.get("comment", "")) for f in fields}
    partition = tables.spark.sql(f"DESCRIBE DETAIL {path}").first().partitionColumns
    present = ddl.Present(columns, tuple(partition), properties)
    try:
        statements = ddl.alterations(table, path, present)
    except ValueError as error:
        raise TableError(f"{error}. Drop the table, and replay all dates of its feed.") from None
    for statement in statements:
        tables.spark.sql(statement)
    try:
        for statement in ddl.new_constraints(table, path, present):
            tables.spark.sql(statement)
    except PySparkException as error:
        if error.getCondition() != "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION":
            raise
        print(f"{table.name} has rows that break a new check; the check is added when they are rebuilt")
    else:
        tables.set_property(table.name, ddl.CONTRACT, ddl.digest(table))
