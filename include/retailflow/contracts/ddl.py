"""Table DDL derived from contracts: names, types, comments, keys, partitions, row checks."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import md5

from retailflow.contracts.model import Column, Table

CONTRACT = "retailflow.contract"  # the property with the digest of the contract that the table follows
DELETION_VECTORS = "delta.enableDeletionVectors"
_CONSTRAINT = "delta.constraints."
_PROPERTIES = {
    # Change feeds and published versions are read by their number: a feed may rest for long, and then go on.
    "delta.logRetentionDuration": "interval 365 days",
    # Every state of a table names the runs that replaced a day of it; without an end they were ever more.
    "delta.setTransactionRetentionDuration": "interval 30 days",
    # Databricks may have them by default. A query of a table that has them asks twice for its files, and a MERGE needs
    # twice as many Spark jobs; upkeep switches them on where files have become large (maintenance.py).
    DELETION_VECTORS: "false",
}
# Of tables that are merged into: GOLD reads what changed.
_MERGED = {"delta.enableChangeDataFeed": "true"}
# Of those that each task appends to: every tenth append would cost three times as much as another.
_APPENDED = {"delta.checkpointInterval": "50"}


def create_table(table: Table, path: str) -> str:
    """`CREATE TABLE IF NOT EXISTS` for Delta. The key is informational: stored as a property that tools can read."""
    columns = ",\n  ".join(column_definition(column) for column in table.columns)
    partition = f"\nPARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    constraints = {f"{_CONSTRAINT}{check.name}": check.expression for check in table.checks}
    listed = _listed(properties(table) | constraints | {CONTRACT: digest(table)})
    return (
        f"CREATE TABLE IF NOT EXISTS {path} (\n  {columns}\n) USING DELTA{partition}\n"
        f"COMMENT {_text(table.description)}\nTBLPROPERTIES ({listed})"
    )


def digest(table: Table) -> str:
    """What a table is by its contract: columns, comments, partition, properties, row checks."""
    said = [table.columns, table.description, table.partition, table.checks, sorted(properties(table).items())]
    return md5(repr(said).encode()).hexdigest()


def properties(table: Table) -> dict[str, str]:
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
    """A table as it is: its columns with type, whether they may be null and comment; its partition and properties."""

    columns: Mapping[str, tuple[str, bool, str]]
    partition: tuple[str, ...]
    properties: Mapping[str, str]


def alterations(table: Table, path: str, present: Present) -> list[str]:
    """The statements after which the table is what its contract says, but for new row checks (`new_constraints`).

    A column that the contract does not have any more stays, and may be null.

    Raises: ValueError where the table cannot become that without being written anew.
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
        if present.properties.get(name) != value and name != DELETION_VECTORS  # upkeep's to decide, once
    }
    return [*statements, *([f"ALTER TABLE {path} SET TBLPROPERTIES ({_listed(changed)})"] if changed else [])]


def new_constraints(table: Table, path: str, present: Present) -> list[str]:
    """The statements that add the row checks which the table does not have as the contract says them."""
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
            raise ValueError(f"{table}.{column.name} is {kind}, and {column.type} does not hold all of its values")
        statements += [
            f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
            f"ALTER TABLE {path} ALTER COLUMN {column.name} TYPE {column.type}",
        ]
    if comment != column.description:
        statements.append(f"ALTER TABLE {path} ALTER COLUMN {column.name} COMMENT {_text(column.description)}")
    return statements


def simple_type(kind: str) -> str:
    """A type as Spark writes it: lower case, short names, no spaces."""
    return re.sub(r"\s", "", kind).lower()


def _is_wider(kind: str, before: str) -> bool:
    """Whether Delta can let a column have a type without writing its files anew."""
    if (before, simple_type(kind)) == ("int", "bigint"):
        return True
    new, old = (re.fullmatch(r"decimal\((\d+),(\d+)\)", one) for one in (simple_type(kind), before))
    if not new or not old:
        return False
    (precision, scale), (old_precision, old_scale) = (tuple(map(int, one.groups())) for one in (new, old))
    return scale >= old_scale and precision - scale >= old_precision - old_scale


def _statistics(table: Table) -> dict[str, str]:
    """The columns whose least and greatest values Delta keeps for each file: where some are personal, the others alone.

    The log keeps them for as long as itself, which is longer than a person's data may stay. In BRONZE anything may
    stand in any field.
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
    """`ALTER TABLE` for the columns that are not among those present, each where the contract has it."""
    places = zip(table.columns, ("FIRST", *(f"AFTER {column.name}" for column in table.columns)), strict=False)
    added = (
        f"{column_definition(replace(column, required=False))} {place}"  # its old rows have none
        for column, place in places
        if column.name not in present
    )
    return f"ALTER TABLE {path} ADD COLUMNS ({', '.join(added)})"


def create_view(table: Table, path: str, query: str, digest: str) -> str:
    """`CREATE OR REPLACE VIEW` with the comments of the contract, for a query that has the table's columns in order.

    The digest is kept as the property `digest`.
    """
    columns = ", ".join(f"{column.name} COMMENT {_text(column.description)}" for column in table.columns)
    properties = f"TBLPROPERTIES ('digest' = {_text(digest)})"
    return f"CREATE OR REPLACE VIEW {path} ({columns}) COMMENT {_text(table.description)} {properties} AS {query}"


def column_definition(column: Column) -> str:
    return f"{column.name} {column.type}{' NOT NULL' if column.required else ''} COMMENT {_text(column.description)}"


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{_text(key)} = {_text(value)}" for key, value in values.items())


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
