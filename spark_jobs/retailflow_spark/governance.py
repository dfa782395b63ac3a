"""Tells Unity Catalog which columns are classified, and masks the restricted ones.

Open-source Spark has neither tags, masks nor an information schema, so this runs on Databricks only.
"""

from pyspark.sql import SparkSession

from retailflow.contracts import entities, gold_tables
from retailflow.contracts.privacy import CLASSIFICATION, MASK, govern
from retailflow_spark.tables import Tables


def apply(tables: Tables, group: str, *, is_dry_run: bool) -> None:
    """Print and issue the statements after which tags and policies are what the contracts say. Safe to repeat."""
    managed = [table for contract in (*entities(), *gold_tables()) for table in contract.tables]
    present = {
        tables.path(table.name): table for table in managed if tables.spark.catalog.tableExists(tables.path(table.name))
    }
    statements = govern(present, tables.catalog, group, tags(tables.spark, tables.catalog))
    for statement in statements:
        print(statement)
        if not is_dry_run:
            tables.spark.sql(statement)
    said = "would be issued; nothing was changed" if is_dry_run else "issued"
    print(f"{tables.catalog}: {len(statements)} statements {said}")
    for name in sorted({table.name for table in managed} - {table.name for table in present.values()}):
        print(f"{name} is not there yet: run this again when a job has made it")


def tags(spark: SparkSession, catalog: str) -> dict[tuple[str, str, str], str]:
    """What the catalog's information schema says of our tags."""
    rows = spark.sql(
        "SELECT concat_ws('.', catalog_name, schema_name, table_name) AS path, column_name, tag_name, tag_value "
        f"FROM {catalog}.information_schema.column_tags WHERE tag_name IN ('{CLASSIFICATION}', '{MASK}')"
    )
    return {(row.path, row.column_name, row.tag_name): row.tag_value for row in rows.collect()}
