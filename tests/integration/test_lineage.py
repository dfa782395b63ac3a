"""Each column of SILVER and GOLD comes from somewhere: read from the plans of the code that runs, on empty tables."""

from collections.abc import Iterator

import pytest

from retailflow.contracts import feeds, gold_table, gold_tables
from retailflow_local import lineage
from retailflow_local.spark_client import session
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables


@pytest.fixture
def tables(workspace, tables) -> Iterator[Tables]:
    """Every table of the contracts, without rows, in a session that may ask for whole plans."""
    create(tables, [table for contract in (*feeds(), *gold_tables()) for table in contract.tables])
    with session(workspace.spark_remote, is_serverless=False) as spark:
        yield Tables(spark, tables.catalog)


def test_every_column_has_its_sources_and_revenue_comes_from_price_quantity_and_discount(tables):
    for contract in feeds():
        made = lineage.of_silver(tables, contract)
        sources = {source for found in made.values() for source in found}
        assert all(made.values()) and made.keys() == set(contract.silver.column_names), contract.name
        assert sources <= {f"{contract.bronze.name}.{column}" for column in contract.bronze.column_names}
    for contract in gold_tables():
        made = lineage.of_gold(tables, contract)
        assert all(made.values()) or contract.name == "dim_date", contract.name  # days come from no table
        assert {".".join(source.split(".")[:2]) for found in made.values() for source in found} <= set(contract.sources)
    assert lineage.of_gold(tables, gold_table("fact_sales"))["net_amount"] == [
        f"silver.{source}" for source in (
            "orders.lines.discount_amount", "orders.lines.quantity", "orders.lines.unit_price",
            "store_sales.discount_amount", "store_sales.quantity", "store_sales.unit_price",
        )
    ]  # fmt: skip
