"""Masks before data: the writer's statements on real Delta, with a stand-in for policies and tags of Unity Catalog."""

from dataclasses import replace
from datetime import date

import pytest
from pipeline import empty_catalog, put, run_day
from unity_catalog import UnityCatalog

from retailflow.contracts import Column, Table, feed_contract
from retailflow.contracts.privacy import masks
from retailflow_spark.delta.schema import TableError, create
from retailflow_spark.delta.writer import Tables

DAY = date(2026, 1, 15)
GROUP = "readers"
PEOPLE = Table(
    name="silver.people",
    description="People.",
    columns=(Column("person_id", "STRING", "Person.", required=True), Column("city", "STRING", "Where they live.")),
    key=("person_id",),
)
PATH = "spark_catalog.silver.people"
STRICTER = replace(
    PEOPLE,
    columns=(
        PEOPLE.columns[0],
        replace(PEOPLE.columns[1], classification="restricted"),
        Column("name", "STRING", "Name.", classification="restricted"),
        Column("shoe_size", "INT", "Size."),
    ),
)


@pytest.fixture
def catalog(spark) -> UnityCatalog:
    """Empty schemas with their masks, as after the release."""
    empty_catalog(spark)
    catalog = UnityCatalog(spark)
    for statement in masks("spark_catalog", GROUP):
        catalog.sql(statement)
    catalog.statements.clear()
    return catalog


@pytest.fixture
def tables(catalog) -> Tables:
    return Tables(catalog, "spark_catalog", GROUP)


def hidden(catalog: UnityCatalog, path: str) -> set[str]:
    return {name for name in catalog.table(path).columns if catalog.hides(path, name)}


def test_a_day_s_new_tables_are_tagged_while_they_are_empty_and_once(catalog, tables, raw):
    rows = {}
    catalog.on_tag = lambda path: rows.setdefault(path, catalog.table(path).count())
    put(raw, "customers", DAY, {"customer_id": "C1", "first_name": "Ada"}, {"customer_id": None})
    run_day(tables, raw, "customers", DAY)
    assert rows == {tables.path(table.name): 0 for table in feed_contract("customers").tables}
    assert catalog.table("spark_catalog.bronze.customers").count() == 2
    assert hidden(catalog, "spark_catalog.quarantine.customers") == {"record"}
    assert {"first_name", "email", "birth_date", "_corrupt_record"} < hidden(catalog, "spark_catalog.bronze.customers")
    catalog.statements.clear()
    run_day(tables, raw, "customers", DAY)
    assert catalog.statements == []


def test_no_row_is_written_to_a_table_that_no_policy_masks(catalog, tables):
    masked_by = catalog.policies.pop("spark_catalog.silver")
    with pytest.raises(TableError, match=r"No policy retailflow_mask masks silver\.people.*retailflow_govern"):
        create(tables, [PEOPLE])
    assert (catalog.table(PATH).count(), catalog.tags) == (0, {})
    catalog.policies["spark_catalog.silver"] = masked_by
    create(tables, [PEOPLE])
    assert hidden(catalog, PATH) == set()


def test_a_run_that_died_between_two_tags_is_made_up_for(catalog, tables):
    def dies(path: str) -> None:
        if catalog.tags:
            raise ConnectionError

    catalog.on_tag = dies
    with pytest.raises(ConnectionError):
        create(tables, [PEOPLE])
    assert hidden(catalog, PATH) == {"city"}
    catalog.on_tag = lambda path: None
    create(tables, [PEOPLE])
    assert hidden(catalog, PATH) == set()


def test_a_contract_that_restricts_a_column_hides_it_at_the_table_s_next_run(catalog, tables):
    create(tables, [PEOPLE])
    catalog.sql(f"INSERT INTO {PATH} VALUES ('a', 'Berlin')")
    create(tables, [STRICTER])
    assert hidden(catalog, PATH) == {"city", "name"}
    assert [tuple(row) for row in tables.read("silver.people").collect()] == [("a", "Berlin", None, None)]


def test_a_table_that_was_made_without_tags_gets_them_at_its_next_run(catalog, tables):
    create(Tables(catalog, "spark_catalog"), [PEOPLE])
    assert hidden(catalog, PATH) == {"person_id", "city"}
    create(tables, [PEOPLE])
    assert hidden(catalog, PATH) == set()


def test_a_laptop_sends_unity_catalog_nothing(catalog):
    create(Tables(catalog, "spark_catalog"), [PEOPLE])
    create(Tables(catalog, "spark_catalog"), [STRICTER])
    assert catalog.statements == []
