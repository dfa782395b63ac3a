"""Who sees restricted columns, and what Unity Catalog is told of classified ones (docs/adr/0008).

BRONZE, SILVER and quarantine are masked by policies, which the jobs are exempt from. GOLD is masked by its views.
"""

from collections.abc import Mapping

from retailflow.contracts.model import Column, Table

CLASSIFICATION = "classification"
MASK = "retailflow_mask"  # the policies match this tag; its value is the type of the column
RESTRICTED = "restricted"
_MASKED_SCHEMAS = ("bronze", "silver", "quarantine")
Tags = Mapping[tuple[str, str, str], str]  # by full name of a table, column and tag


def masked(column: Column, expression: str, group: str | None) -> str:
    """The expression, named as the column. A restricted one is NULL to who is not in the group; to all without one."""
    if column.strictest == RESTRICTED:
        is_member = f"is_account_group_member('{group}')" if group else "false"
        expression = f"CASE WHEN {is_member} THEN {expression} END"
    return f"{expression} AS {column.name}"


def govern(tables: Mapping[str, Table], catalog: str, group: str, present: Tags) -> list[str]:
    """The statements after which the catalog says what the contracts say. Tags come only where they differ.

    Args:
        tables: by full name.
        group: whose members see what is masked; the jobs must be in it.
    """
    masks, tags = set(), []
    for path, table in tables.items():
        schema = table.name.partition(".")[0]
        for column in table.columns:
            mask = _mask(table, column) if schema in _MASKED_SCHEMAS else None
            if mask:
                masks.add((schema, mask))
            for tag, wanted in ((CLASSIFICATION, column.strictest), (MASK, mask)):
                if wanted != present.get((path, column.name, tag)):
                    change = f"SET TAGS ('{tag}' = '{wanted}')" if wanted else f"UNSET TAGS ('{tag}')"
                    tags.append(f"ALTER TABLE {path} ALTER COLUMN {column.name} {change}")
    functions = [
        f"CREATE OR REPLACE FUNCTION {catalog}.ops.mask_{type_}(value {type_}) RETURNS {type_} RETURN NULL"
        for type_ in sorted({mask for _, mask in masks})
    ]
    policies = [
        f"CREATE OR REPLACE POLICY mask_{type_} ON SCHEMA {catalog}.{schema} "
        f"COLUMN MASK {catalog}.ops.mask_{type_} TO `account users` EXCEPT `{group}` "
        f"FOR TABLES MATCH COLUMNS has_tag_value('{MASK}', '{type_}') AS hidden ON COLUMN hidden"
        for schema, type_ in sorted(masks)
    ]
    return functions + policies + tags


def _mask(table: Table, column: Column) -> str | None:
    """Raises: ValueError for a restricted column that is not a scalar: a mask has one type."""
    if column.strictest != RESTRICTED:
        return None
    if not column.type.isalpha():
        raise ValueError(f"{table.name}.{column.name} is restricted and {column.type}: no mask has that type")
    return column.type.lower()
