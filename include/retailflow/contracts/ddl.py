"""Table DDL derived from contracts: names, types, comments, keys, partitions, row checks."""

from retailflow.contracts.model import Column, Table

# Read by GOLD (what changed since), and by MERGE and DELETE (write the change, not the file).
_PROPERTIES = {"delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true"}


def create_table(table: Table, path: str) -> str:
    """`CREATE TABLE IF NOT EXISTS` for Delta. The key is informational: stored as a property that tools can read."""
    columns = ",\n  ".join(_column(column) for column in table.columns)
    partition = f"\nPARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    properties = {
        **_PROPERTIES,
        "retailflow.key": ",".join(table.key),
        **{f"delta.constraints.{check.name}": check.expression for check in table.checks},
    }
    listed = ", ".join(f"{_text(key)} = {_text(value)}" for key, value in properties.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {path} (\n  {columns}\n) USING DELTA{partition}\n"
        f"COMMENT {_text(table.description)}\nTBLPROPERTIES ({listed})"
    )


def create_view(table: Table, path: str, query: str) -> str:
    """`CREATE OR REPLACE VIEW` with the comments of the contract, for a query that has the table's columns in order."""
    columns = ", ".join(f"{column.name} COMMENT {_text(column.description)}" for column in table.columns)
    return f"CREATE OR REPLACE VIEW {path} ({columns}) COMMENT {_text(table.description)} AS {query}"


def _column(column: Column) -> str:
    return f"{column.name} {column.type}{' NOT NULL' if column.required else ''} COMMENT {_text(column.description)}"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
