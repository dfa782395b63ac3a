"""Table DDL derived from contracts: names, types, comments, keys, partitions, row checks."""

from collections.abc import Collection

from retailflow.contracts.model import Column, Table

_PROPERTIES = {
    # Change feeds and published versions are read by their number: a feed may rest for long, and then go on.
    "delta.logRetentionDuration": "interval 365 days",
    # Every state of a table names the runs that wrote it once (`append_once`); without an end they were ever more.
    "delta.setTransactionRetentionDuration": "interval 30 days",
}
# Of tables that are merged into. GOLD reads what changed; MERGE writes the change, not the file. The others, which are
# replaced by day or appended to, have neither: a query of a table with deletion vectors asks twice for its files.
_MERGED = {"delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true"}


def create_table(table: Table, path: str) -> str:
    """`CREATE TABLE IF NOT EXISTS` for Delta. The key is informational: stored as a property that tools can read."""
    columns = ",\n  ".join(column_definition(column) for column in table.columns)
    partition = f"\nPARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    properties = {
        **_PROPERTIES,
        **(_MERGED if table.name.startswith(("silver.", "gold.")) else {}),
        "delta.deletedFileRetentionDuration": f"interval {table.retention_days} days",  # for VACUUM
        **_statistics(table),
        "retailflow.key": ",".join(table.key),
        **{f"delta.constraints.{check.name}": check.expression for check in table.checks},
    }
    listed = ", ".join(f"{_text(key)} = {_text(value)}" for key, value in properties.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {path} (\n  {columns}\n) USING DELTA{partition}\n"
        f"COMMENT {_text(table.description)}\nTBLPROPERTIES ({listed})"
    )


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
    added = (f"{column_definition(column)} {place}" for column, place in places if column.name not in present)
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


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
