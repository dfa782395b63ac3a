"""What Unity Catalog is told of classified columns. Databricks alone can run it: here the statements are read."""

from dataclasses import replace

import pytest

from retailflow.contracts import entities, entity, gold_table
from retailflow.contracts.privacy import CLASSIFICATION, MASK, govern

CUSTOMERS = {f"main.{table.name}": table for table in entity("customers").tables}
GROUP = "readers"


def kept(statements: list[str]) -> dict[tuple[str, str, str], str]:
    """The tags that the catalog has afterwards."""
    words = (line.split(maxsplit=6) for line in statements if " SET TAGS " in line)
    named = (
        (path, column, rest.removeprefix("SET TAGS (").strip("()'").split("' = '"))
        for _, _, path, _, _, column, rest in words
    )
    return {(path, column, tag): value for path, column, (tag, value) in named}


def test_all_that_a_contract_classifies_is_tagged_and_what_is_restricted_has_the_mask_of_its_type():
    told = kept(govern(CUSTOMERS, "main", GROUP, {}))
    silver = {
        column: value for (path, column, tag), value in told.items() if (path, tag) == ("main.silver.customers", MASK)
    }
    assert silver == dict.fromkeys(("first_name", "last_name", "email", "phone"), "string") | {"birth_date": "date"}
    assert told["main.silver.customers", "address", CLASSIFICATION] == "confidential"
    assert ("main.silver.customers", "address", MASK) not in told
    assert (
        told["main.bronze.customers", "birth_date", MASK]
        == told["main.quarantine.customers", "record", MASK]
        == "string"
    )
    assert ("main.silver.customers", "segment", CLASSIFICATION) not in told


def test_a_policy_hides_what_has_its_tag_from_all_but_the_group():
    statements = govern(CUSTOMERS, "main", GROUP, {})
    assert statements[:2] == [
        "CREATE OR REPLACE FUNCTION main.ops.mask_date(value date) RETURNS date RETURN NULL",
        "CREATE OR REPLACE FUNCTION main.ops.mask_string(value string) RETURNS string RETURN NULL",
    ]
    assert (
        "CREATE OR REPLACE POLICY mask_date ON SCHEMA main.silver COLUMN MASK main.ops.mask_date "
        "TO `account users` EXCEPT `readers` "
        "FOR TABLES MATCH COLUMNS has_tag_value('retailflow_mask', 'date') AS hidden ON COLUMN hidden"
    ) in statements
    policies = {line.split(" COLUMN MASK ")[0] for line in statements if " POLICY " in line}
    assert {policy.rpartition(".")[2] for policy in policies} == {"bronze", "silver", "quarantine"}


def test_there_is_a_policy_for_every_tag_and_it_stands_before_the_tag():
    tables = {f"main.{table.name}": table for contract in entities() for table in contract.tables}
    statements = govern(tables, "main", GROUP, {})
    for (path, _, tag), value in kept(statements).items():
        if tag == MASK:
            schema = path.split(".")[1]
            policy = next(line for line in statements if f"POLICY mask_{value} ON SCHEMA main.{schema} " in line)
            first = next(line for line in statements if f"ALTER TABLE {path} " in line)
            assert statements.index(policy) < statements.index(first)


def test_tags_that_are_there_are_not_set_again_and_one_that_is_too_much_goes():
    told = kept(govern(CUSTOMERS, "main", GROUP, {}))
    again = govern(CUSTOMERS, "main", GROUP, told)
    assert not [line for line in again if "TAGS" in line]
    mistaken = told | {("main.silver.customers", "segment", MASK): "string"}
    (change,) = [line for line in govern(CUSTOMERS, "main", GROUP, mistaken) if "TAGS" in line]
    assert change == "ALTER TABLE main.silver.customers ALTER COLUMN segment UNSET TAGS ('retailflow_mask')"


def test_gold_is_tagged_and_not_masked_since_its_views_are():
    table = gold_table("dim_customer").table
    told = kept(govern({"main.gold_build.dim_customer": table}, "main", GROUP, {}))
    assert told["main.gold_build.dim_customer", "email", CLASSIFICATION] == "restricted"
    assert MASK not in {tag for _, _, tag in told}


def test_a_restricted_column_of_many_fields_is_refused():
    table = CUSTOMERS["main.silver.customers"]
    nested = tuple(replace(c, classification="restricted") if c.fields else c for c in table.columns)
    with pytest.raises(
        ValueError, match=r"silver\.customers\.address is restricted and STRUCT<.*: no mask has that type"
    ):
        govern({"main.silver.customers": replace(table, columns=nested)}, "main", GROUP, {})
