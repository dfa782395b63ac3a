"""What can be checked of dbt without running it."""

import re

import pytest
import yaml

from retailflow.contracts import gold_tables
from retailflow_delivery.dbt_sources import outputs
from retailflow_local.dbt import PROJECT, properties
from retailflow_local.workspace import REPOSITORY

MODELS = {path.stem: path.read_text() for path in (PROJECT / "models").glob("*.sql")}
DOCUMENTED = {model["name"]: model for model in properties("models.yml")["models"]}


def test_the_sources_are_the_contracts_of_gold():
    for path, text in outputs(REPOSITORY).items():
        assert path.read_text() == text
        tables = yaml.safe_load(text)["sources"][0]["tables"]
        assert {table["name"] for table in tables} == {contract.name for contract in gold_tables()}


def test_every_model_says_what_its_rows_are_and_has_a_key():
    assert DOCUMENTED.keys() == MODELS.keys()
    for name, model in DOCUMENTED.items():
        assert model["description"], name
        assert any("unique_key" in test for test in model["data_tests"] if isinstance(test, dict)), name
        assert all(column["description"] for column in model["columns"]), name


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_mart_has_a_restricted_column(name):
    """dbt runs as the jobs, which see these columns. Readers of the marts must not see them."""
    restricted = {
        column.name for contract in gold_tables() for column in contract.table.columns
        if column.classification == "restricted"
    }  # fmt: skip
    assert len(restricted) > 3
    assert restricted & set(re.findall(r"\w+", MODELS[name])) == set()
    assert not re.search(r"dim_customer'\)", MODELS[name]), "SELECT * would bring them"


def test_marts_look_back_from_the_data_and_not_from_the_clock():
    """The same GOLD gives the same marts."""
    files = [*PROJECT.rglob("*.sql")]
    assert [path.name for path in files if re.search(r"current_(date|timestamp)|now\(\)", path.read_text(), re.I)] == []
