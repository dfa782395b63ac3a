"""Derive the DDL of tables from contracts: names, types, comments, keys, partitions, row checks."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import md5

from retailflow.contracts.model import Column, Table

CONTRACT = "retailflow.contract"  # the table property with the digest of the contract that the table follows
DELETION_VECTORS = "delta.enableDeletionVectors"
_CONSTRAINT = "delta.constraints."
_PROPERTIES = {
    # Change feeds and published versions are read by version number. A feed may pause for a long time and then resume.
    "delta.logRetentionDuration": "interval 365 days",
    # The table state records each run that replaced a day. Without a limit these records would grow without end.
    "delta.setTransactionRetentionDuration": "interval 30 days",
    # Databricks may enable them by default. With them, a query lists the table's files twice and a MERGE needs twice as
    # many Spark jobs. Upkeep enables them for tables that have become large (maintenance.py).
    DELETION_VECTORS: "false",
}
# For tables that a MERGE changes: GOLD reads their change feeds.
_MERGED = {"delta.enableChangeDataFeed": "true"}
# For tables that each task appends to: by default every tenth append writes a checkpoint and costs three times as much.
_APPENDED = {"delta.checkpointInterval": "50"}


def create_table(table: Table, path: str) -> str:
    """Return `CREATE TABLE IF NOT EXISTS` for Delta. The key is only informational: a property that tools can read."""
    columns = ",\n  ".join(column_definition(column) for column in table.columns)
    partition = f"\nPARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    constraints = {f"{_CONSTRAINT}{check.name}": check.expression for check in table.checks}
    listed = _listed(properties(table) | constraints | {CONTRACT: digest(table)})
    return (
        f"CREATE TABLE IF NOT EXISTS {path} (\n  {columns}\n) USING DELTA{partition}\n"
        f"COMMENT {_text(table.description)}\nTBLPROPERTIES ({listed})"
    )


def digest(table: Table) -> str:
    """Return the digest of a table's definition: columns, comments, partition, properties, row checks."""
    said = [table.columns, table.description, table.partition, table.checks, sorted(properties(table).items())]
    return md5(repr(said).encode()).hexdigest()


def properties(table: Table) -> dict[str, str]:
    """Return the Delta properties of a table."""
    return {
        **_PROPERTIES,
        **(_MERGED if table.name.startswith(("silver.", "gold.")) else {}),
        **(_APPENDED if table.name.startswith("ops.") else {}),
        "delta.deletedFileRetentionDuration": f"interval {table.retention_days} days",  # for VACUUM
        **_statistics(table),
        "retailflow.key": ",".join(table.key),
    }


@dataclass(frozen=True)
class Present:
    """A table as it exists now. Each column has its type, whether it may be null, and its comment."""

    columns: Mapping[str, tuple[str, bool, str]]
    partition: tuple[str, ...]
    properties: Mapping[str, str]


def alterations(table: Table, path: str, present: Present) -> list[str]:
    """Return the statements that bring a table up to date with its contract, except new row checks (`new_constraints`).

    A column that is no longer in the contract stays and becomes nullable.

    Raises: ValueError where the table would have to be rewritten.
    """
    wanted = {f"{_CONSTRAINT}{check.name}": check.expression for check in table.checks}
    statements = [
        f"ALTER TABLE {path} DROP CONSTRAINT IF EXISTS {name.removeprefix(_CONSTRAINT)}"
        for name, expression in present.properties.items()
        if name.startswith(_CONSTRAINT) and wanted.get(name) != expression
    ]
    if present.partition != table.partition:
        raise ValueError(f"{table.name} is partitioned by {present.partition}, not by {table.partition}")
    if not present.columns.keys() >= set(table.column_names):
        statements.append(add_columns(table, path, present.columns))
    required = {column.name for column in table.columns if column.required}
    for name, (_, is_nullable, _) in present.columns.items():
        if not is_nullable and name not in required:
            statements.append(f"ALTER TABLE {path} ALTER COLUMN {name} DROP NOT NULL")
    for column in table.columns:
        if column.name in present.columns:
            statements += _changed(column, path, present.columns[column.name], table.name)
    statements.append(f"COMMENT ON TABLE {path} IS {_text(table.description)}")
    changed = {
        name: value
        for name, value in properties(table).items()
        if present.properties.get(name) != value and name != DELETION_VECTORS  # only upkeep sets it, and only once
    }
    return [*statements, *([f"ALTER TABLE {path} SET TBLPROPERTIES ({_listed(changed)})"] if changed else [])]


def new_constraints(table: Table, path: str, present: Present) -> list[str]:
    """Return the statements that add the row checks that the table lacks or has with another condition."""
    return [
        f"ALTER TABLE {path} ADD CONSTRAINT {check.name} CHECK ({check.expression})"
        for check in table.checks
        if present.properties.get(f"{_CONSTRAINT}{check.name}") != check.expression
    ]


def _changed(column: Column, path: str, found: tuple[str, bool, str], table: str) -> list[str]:
    kind, _, comment = found
    statements = []
    if kind != simple_type(column.type):
        if not _is_wider(column.type, kind):
            raise ValueError(f"{table}.{column.name} is {kind}, and {column.type} cannot hold all of its values")
        statements += [
            f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
            f"ALTER TABLE {path} ALTER COLUMN {column.name} TYPE {column.type}",
        ]
    if comment != column.description:
        statements.append(f"ALTER TABLE {path} ALTER COLUMN {column.name} COMMENT {_text(column.description)}")
    return statements


def simple_type(kind: str) -> str:
    """Return a type as Spark writes it: lower case, short names, no spaces."""
    return re.sub(r"\s", "", kind).lower()


def _is_wider(kind: str, before: str) -> bool:
    """Return whether Delta can widen a column to this type without rewriting its files."""
    if (before, simple_type(kind)) == ("int", "bigint"):
        return True
    new, old = (re.fullmatch(r"decimal\((\d+),(\d+)\)", one) for one in (simple_type(kind), before))
    if not new or not old:
        return False
    (precision, scale), (old_precision, old_scale) = (tuple(map(int, one.groups())) for one in (new, old))
    return scale >= old_scale and precision - scale >= old_precision - old_scale


def _statistics(table: Table) -> dict[str, str]:
    """Return the property that names the columns whose minimum and maximum Delta records for each file.

    In a table with personal columns these are the other columns only: the Delta log keeps the values longer than
    personal data may be kept. In BRONZE any received field may contain personal data.
    """
    if not any(column.strictest for column in table.columns):
        return {}
    is_received = table.name.startswith("bronze.")
    can_have = ("STRING", "INT", "BIGINT", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "DECIMAL", "DOUBLE")
    others = (
        column.name
        for column in table.columns
        if not column.strictest
        and column.type.startswith(can_have)
        and column.name not in table.partition
        and (column.name.startswith("_") or not is_received)
    )
    return {"delta.dataSkippingStatsColumns": ",".join(others)}


def add_columns(table: Table, path: str, present: Collection[str]) -> str:
    """Return `ALTER TABLE` that adds the absent columns, each at its position in the contract."""
    places = zip(table.columns, ("FIRST", *(f"AFTER {column.name}" for column in table.columns)), strict=False)
    added = (
        f"{column_definition(replace(column, required=False))} {place}"  # existing rows have no value
        for column, place in places
        if column.name not in present
    )
    return f"ALTER TABLE {path} ADD COLUMNS ({', '.join(added)})"


def create_view(table: Table, path: str, query: str, digest: str) -> str:
    """Return `CREATE OR REPLACE VIEW` with the comments of the contract. The query has the table's columns, in order.

    The view stores the digest as its property `digest`.
    """
    columns = ", ".join(f"{column.name} COMMENT {_text(column.description)}" for column in table.columns)
    properties = f"TBLPROPERTIES ('digest' = {_text(digest)})"
    return f"CREATE OR REPLACE VIEW {path} ({columns}) COMMENT {_text(table.description)} {properties} AS {query}"


def column_definition(column: Column) -> str:
    """Return the definition of a column for `CREATE TABLE`: name, type, nullability, comment."""
    return f"{column.name} {column.type}{' NOT NULL' if column.required else ''} COMMENT {_text(column.description)}"


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{_text(key)} = {_text(value)}" for key, value in values.items())


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
