"""The contracts: validity by the standard, completeness, and what derives from them."""

import json
from importlib.resources import files

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from retailflow import contracts
from retailflow.contracts.ddl import create_table
from retailflow.contracts.model import parse

DOCUMENTS = {item.name: item.read_text("utf-8") for item in contracts.contract_files()}


def test_each_file_is_the_contract_of_a_feed_or_of_a_gold_table():
    assert contracts.feed_contract("orders") in contracts.feeds()
    assert contracts.gold_table("fact_sales") in contracts.gold_tables()
    found = [contract.name for contract in (*contracts.feeds(), *contracts.gold_tables())]
    assert sorted(f"{name}.odcs.yaml" for name in found) == sorted(DOCUMENTS)


def test_a_gold_table_comes_after_those_that_it_is_built_from():
    names = [gold.table.name for gold in contracts.gold_tables()]
    for gold in contracts.gold_tables():
        assert not set(names[names.index(gold.table.name) :]) & set(gold.sources)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_contract_is_valid_by_the_official_schema_of_odcs(name):
    document = yaml.safe_load(DOCUMENTS[name])
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
    errors = jsonschema.Draft201909Validator(schema).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    assert document["apiVersion"] == "v3.1.0"
    assert OpenDataContractStandard.model_validate(document).name == document["name"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_column_says_what_it_means_and_every_table_who_owns_it(name):
    contract = parse(yaml.safe_load(DOCUMENTS[name]), name)
    assert contract.owner
    for table in contract.tables:
        assert table.key, table.name
        assert [c.name for c in table.columns if len(c.description) < 4] == [], table.name


def test_sources_of_gold_are_tables_that_a_contract_describes():
    for gold in contracts.gold_tables():
        for source in gold.sources:
            assert contracts.table(source).name == source


def test_ddl_has_types_comments_keys_partitions_and_required_columns():
    ddl = create_table(contracts.feed_contract("payments").silver, "retailflow_dev.silver.payments")
    assert ddl.startswith("CREATE TABLE IF NOT EXISTS retailflow_dev.silver.payments (\n  payment_event_id STRING NOT")
    assert "amount DECIMAL(18,4) NOT NULL COMMENT 'Amount, always positive.'" in ddl
    assert "PARTITIONED BY (occurred_date)" in ddl
    assert "'retailflow.key' = 'payment_event_id'" in ddl


def test_an_unknown_feed_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'order' is not a known feed; known are clickstream, customers"):
        contracts.feed_contract("order")


def test_a_contract_that_lacks_something_says_which_file_and_what():
    document = yaml.safe_load(DOCUMENTS["orders.odcs.yaml"])
    document["customProperties"] = []
    with pytest.raises(ValueError, match=r"contract orders\.odcs\.yaml: 'delivery' is missing"):
        parse(document, "orders.odcs.yaml")


@pytest.mark.parametrize(
    ("name", "said"), [("ingestion_date", "ingestion_date"), ("_Position", "_Position"), ("Status", "status")]
)
def test_a_feed_has_each_column_once_in_any_case(name, said):
    document = yaml.safe_load(DOCUMENTS["orders.odcs.yaml"])
    column = {"name": name, "logicalType": "string", "physicalType": "STRING", "description": "One more."}
    document["schema"][0]["properties"].append(column)
    with pytest.raises(ValueError, match=rf"contract orders\.odcs\.yaml: SILVER would have the column {said} twice"):
        parse(document, "orders.odcs.yaml")


def test_ddl_has_the_retention_of_older_files_and_a_contract_may_change_it_but_not_below_seven_days():
    kept = "'delta.deletedFileRetentionDuration' = 'interval {} days'"
    assert kept.format(30) in create_table(contracts.gold_table("dim_date").table, "x")
    for table in contracts.feed_contract("clickstream").tables:
        assert kept.format(14) in create_table(table, "x")
    document = yaml.safe_load(DOCUMENTS["clickstream.odcs.yaml"])
    document["slaProperties"][-1]["value"] = 6
    with pytest.raises(ValueError, match=r"contract clickstream\.odcs\.yaml: versionRetention is at least 7 d"):
        parse(document, "clickstream.odcs.yaml")
