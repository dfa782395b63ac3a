"""Masks of BRONZE, SILVER and quarantine. Only Databricks can run them, so a stand-in answers here."""

import ast
import runpy
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml
from unity_catalog import UnityCatalog

from retailflow.contracts import feed_contract, feeds
from retailflow.contracts.privacy import classification_tag, classifications, masks, tag_columns
from retailflow.environments import load_environment
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.job import entry as job

TABLES = {f"main.{table.name}": table for contract in feeds() for table in contract.tables}
CUSTOMERS = "main.silver.customers"
GROUP = "readers"


@pytest.fixture
def released() -> UnityCatalog:
    """A catalog with masks and without tables, as the first release leaves it."""
    catalog = UnityCatalog()
    for statement in masks("main", GROUP):
        catalog.sql(statement)
    return catalog


def tag(catalog: UnityCatalog, path: str, column: str, value: str) -> None:
    catalog.sql(f"ALTER TABLE {path} ALTER COLUMN {column} SET TAGS ('{classification_tag('main')}' = '{value}')")


def test_the_statements_are_those_that_databricks_documents():
    assert masks("main", GROUP)[:2] == [
        "CREATE OR REPLACE FUNCTION main.bronze.retailflow_mask(value VARIANT) RETURNS VARIANT "
        "RETURN CAST(NULL AS VARIANT)",
        "CREATE OR REPLACE POLICY retailflow_mask ON SCHEMA main.bronze COLUMN MASK main.bronze.retailflow_mask "
        "TO `account users` EXCEPT `readers` FOR TABLES MATCH COLUMNS NOT "
        "(has_tag_value('main_classification', 'confidential') OR has_tag_value('main_classification', 'internal') "
        "OR has_tag_value('main_classification', 'public')) AS hidden ON COLUMN hidden",
    ]


@pytest.mark.parametrize("path", ["main.bronze.new", "main.silver.new", "main.quarantine.new"])
def test_a_column_without_a_tag_is_hidden_from_readers_outside_the_group(released, path):
    assert released.hides(path, "anything")
    assert released.hides(path, "anything", "others")
    assert not released.hides(path, "anything", GROUP)


@pytest.mark.parametrize(
    ("value", "is_hidden"), [("restricted", True), ("confidential", False), ("internal", False), ("public", False)]
)
def test_a_tag_opens_a_column_unless_it_says_restricted(released, value, is_hidden):
    tag(released, CUSTOMERS, "email", value)
    assert released.hides(CUSTOMERS, "email") is is_hidden
    assert released.hides(CUSTOMERS, "phone")


def test_a_tag_of_another_environment_opens_nothing(released):
    released.sql(f"ALTER TABLE {CUSTOMERS} ALTER COLUMN email SET TAGS ('other_classification' = 'public')")
    assert released.hides(CUSTOMERS, "email")


def test_the_tags_of_the_contracts_open_all_columns_but_the_restricted_ones(released):
    for path, table in TABLES.items():
        for statement in tag_columns(table, path, classification_tag("main")):
            released.sql(statement)
        hidden = {column.name for column in table.columns if released.hides(path, column.name)}
        assert hidden == {column.name for column in table.columns if column.classification == "restricted"}, path
    assert released.hides("main.bronze.customers", "birth_date")
    assert released.hides("main.bronze.orders", "_corrupt_record")
    assert released.hides("main.quarantine.orders", "record")
    assert released.hides(CUSTOMERS, "email")
    assert not released.hides(CUSTOMERS, "address")


def test_a_column_that_the_contract_does_not_name_stays_hidden(released):
    for statement in tag_columns(TABLES[CUSTOMERS], CUSTOMERS, classification_tag("main")):
        released.sql(statement)
    assert released.hides(CUSTOMERS, "added_by_hand")


@pytest.mark.parametrize(
    "change",
    [
        lambda address: replace(address, classification="restricted"),
        lambda address: replace(address, fields=(replace(address.fields[0], classification="restricted"),)),
    ],
    ids=["as a whole", "by one of its fields"],
)
def test_a_restricted_column_with_fields_is_refused(change):
    table = feed_contract("customers").silver
    nested = tuple(change(column) if column.name == "address" else column for column in table.columns)
    with pytest.raises(ValueError, match=r"silver\.customers\.address is restricted and STRUCT<.*no mask can hide"):
        classifications(replace(table, columns=nested))


def govern(monkeypatch, environment: str) -> UnityCatalog:
    """Return the catalog after `govern.py` has run on an empty one."""
    catalog = UnityCatalog()

    @contextmanager
    def session():
        yield catalog

    monkeypatch.setattr(job, "spark_session", session)
    monkeypatch.setattr(sys, "argv", ["govern.py", "--env", environment])
    runpy.run_path(str(REPOSITORY / "spark_jobs" / "govern.py"), run_name="__main__")
    return catalog


def test_the_release_s_job_masks_the_schemas_before_they_have_a_table(monkeypatch):
    catalog = govern(monkeypatch, "prod")
    for path in ("retailflow_prod.bronze.new", "retailflow_prod.silver.new", "retailflow_prod.quarantine.new"):
        assert catalog.hides(path, "anything")
        assert not catalog.hides(path, "anything", load_environment("prod").restricted_group)


def test_a_laptop_has_no_masks(monkeypatch):
    with pytest.raises(SystemExit, match="local has no restricted_group"):
        govern(monkeypatch, "local")


def test_the_release_makes_the_masks_before_it_runs_a_job_and_before_airflow_gets_the_release():
    (release,) = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"].values()
    lines = [line.strip() for step in release["steps"] for line in step.get("run", "").splitlines()]
    (deploy,) = (place for place, line in enumerate(lines) if line.startswith("databricks bundle deploy "))
    runs = [line for line in lines[deploy:] if line.startswith(("databricks bundle run ", "docker buildx imagetools "))]
    assert runs[0].startswith("databricks bundle run retailflow_govern --target")
    assert len(runs) > 1


def test_every_job_knows_the_group_and_so_tags_the_tables_that_it_creates():
    """`Tables.of` takes catalog and group from the environment; a call of the constructor could leave the group out."""
    for script in (REPOSITORY / "spark_jobs").glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "Tables"], script.name
