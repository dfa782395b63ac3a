"""Masking of restricted columns (docs/adr/0008).

The views of GOLD hide restricted columns. In BRONZE, SILVER and quarantine, policies of Unity Catalog hide every column
that is not tagged as open. The jobs are exempt.
"""

from retailflow.contracts.model import CLASSIFICATIONS, Column, Table

RESTRICTED = "restricted"
MASK = "retailflow_mask"  # the name of the function and of the policy in each masked schema
MASKED_SCHEMAS = ("bronze", "silver", "quarantine")
_UNCLASSIFIED = "internal"  # the tag of a column that its contract does not classify


def masked(column: Column, expression: str, group: str | None) -> str:
    """Return the expression with the column's name. Readers outside the group see NULL in a restricted column.

    If no group is given, all readers see NULL.
    """
    if column.strictest == RESTRICTED:
        is_member = f"is_account_group_member('{group}')" if group else "false"
        expression = f"CASE WHEN {is_member} THEN {expression} END"
    return f"{expression} AS {column.name}"


def is_masked(table: Table) -> bool:
    """Return whether a policy masks the table's schema."""
    return table.name.partition(".")[0] in MASKED_SCHEMAS


def classification_tag(catalog: str) -> str:
    """Return the governed tag of a catalog's columns. It names the catalog, because environments share an account."""
    return f"{catalog}_classification"


def masks(catalog: str, group: str) -> list[str]:
    """Return the statements that create the functions and policies of the masked schemas. They need no table.

    A policy hides a column until a tag opens it. So it also hides the columns of a new table.

    Args:
        group: its members see every column; the jobs must be among them.
    """
    tag = classification_tag(catalog)
    is_open = " OR ".join(f"has_tag_value('{tag}', '{value}')" for value in CLASSIFICATIONS if value != RESTRICTED)
    statements = []
    for schema in (f"{catalog}.{name}" for name in MASKED_SCHEMAS):
        statements += [
            f"CREATE OR REPLACE FUNCTION {schema}.{MASK}(value VARIANT) RETURNS VARIANT RETURN CAST(NULL AS VARIANT)",
            f"CREATE OR REPLACE POLICY {MASK} ON SCHEMA {schema} COLUMN MASK {schema}.{MASK} "
            f"TO `account users` EXCEPT `{group}` FOR TABLES MATCH COLUMNS NOT ({is_open}) AS hidden ON COLUMN hidden",
        ]
    return statements


def classifications(table: Table) -> dict[str, str]:
    """Return the value of the classification tag of each column.

    Raises: ValueError for a restricted column with fields or elements. Not every runtime can cast the mask, a VARIANT,
    to a nested type.
    """
    found = {}
    for column in table.columns:
        found[column.name] = column.strictest or _UNCLASSIFIED
        if found[column.name] == RESTRICTED and "<" in column.type:
            raise ValueError(
                f"{table.name}.{column.name} is restricted and {column.type}, which no mask can hide: "
                "classify its fields as confidential, or make a column of each restricted one"
            )
    return found


def tag_columns(table: Table, path: str, tag: str) -> list[str]:
    """Return the statements that tag all columns of a table. Databricks needs one statement per column."""
    return [
        f"ALTER TABLE {path} ALTER COLUMN {name} SET TAGS ('{tag}' = '{value}')"
        for name, value in classifications(table).items()
    ]
