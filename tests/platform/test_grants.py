"""Who may do what, according to the contracts and the one table beside them."""

from dataclasses import replace

import pytest

from retailflow.contracts import feed_contract, feeds, gold_tables
from retailflow.environments import environment_names, load_environment
from retailflow_delivery.grants import DEPLOYER, JOBS, RESTRICTED, ROLES, SERVICE_PRINCIPALS, grants, outputs, schemas
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.delta.writer import Tables
from retailflow_spark.ops.maintenance import LAYERS

CONTRACTS = (*feeds(), *gold_tables())


def held_by(role: str) -> dict[str, list[str]]:
    """Return the privileges of a role below the catalog."""
    return {name: of_roles[role] for name, of_roles in grants().items() if role in of_roles and name != "catalog"}


def with_roles(name: str, *roles: dict[str, str]):
    """Return all contracts, one of them with other roles."""
    changed = replace(feed_contract(name), document={**feed_contract(name).document, "roles": list(roles)})
    return tuple(changed if contract.name == name else contract for contract in CONTRACTS)


def test_the_files_are_what_the_contracts_say_now():
    for path, text in outputs(REPOSITORY).items():
        assert path.read_text() == text, f"{path.name}: run ./retailflow grants"


def test_each_role_reads_its_own_schemas_and_nothing_else():
    read = ["SELECT", "USE_SCHEMA"]
    assert {role: held_by(role) for role in ROLES if role not in SERVICE_PRINCIPALS} == {
        "raw_ingestion": {"schema.raw": ["READ_VOLUME", "USE_SCHEMA"]},
        "bronze_reader": {"schema.bronze": read, "schema.ops": read, "schema.quarantine": read},
        "silver_reader": {"schema.silver": read},
        "gold_reader": {"schema.gold": read, "schema.marts": read},
        "analytics": {"schema.gold": read, "schema.marts": read},
        RESTRICTED: {},
        "platform_admin": {},
    }


def test_only_administrators_and_service_principals_do_more_than_read():
    reading = {"USE_CATALOG", "USE_SCHEMA", "SELECT", "READ_VOLUME"}
    for name, of_roles in grants().items():
        for role in of_roles.keys() - {"platform_admin", *SERVICE_PRINCIPALS}:
            assert set(of_roles[role]) <= reading, f"{role} on {name}"


def test_the_deployer_masks_three_schemas_and_reads_no_table():
    masks = ["CREATE_FUNCTION", "MANAGE", "USE_SCHEMA"]
    assert held_by(DEPLOYER) == {f"schema.{name}": masks for name in ("bronze", "quarantine", "silver")}


def test_the_jobs_can_neither_grant_nor_change_what_readers_see_but_by_its_views():
    privileges = {privilege for of_roles in grants().values() for privilege in of_roles.get(JOBS, ())}
    creating = {"CREATE_TABLE", "CREATE_MATERIALIZED_VIEW"}
    assert privileges == {"USE_CATALOG", "USE_SCHEMA", "SELECT", "MODIFY", "READ_FILES", "READ_VOLUME", *creating}
    assert "MODIFY" not in grants()["schema.gold"][JOBS]


def test_every_schema_that_the_jobs_use_is_granted_to_them():
    used = {Tables(None, "c").path(table.name).split(".")[1] for tables in LAYERS.values() for table in tables}
    assert used == {"bronze", "gold_build", "ops", "quarantine", "silver"}
    assert used | {"gold", "marts", "raw"} == set(schemas())
    for schema in used:
        assert {"CREATE_TABLE", "MODIFY", "SELECT", "USE_SCHEMA"} <= set(grants()[f"schema.{schema}"][JOBS])


def test_the_group_that_the_masks_ask_for_is_that_of_its_role():
    groups = {name: load_environment(name).restricted_group for name in environment_names()}
    assert groups.pop("local") is None
    assert groups == {name: f"retailflow_{name}_{RESTRICTED}" for name in ("dev", "stg", "prod")}


def test_the_group_that_may_open_runs_is_that_of_the_engineers_on_call():
    groups = {name: load_environment(name).on_call_group for name in environment_names()}
    assert groups.pop("local") is None
    assert groups == {name: f"retailflow_{name}_bronze_reader" for name in ("dev", "stg", "prod")}


def test_a_contract_that_lets_a_role_write_is_refused():
    with pytest.raises(ValueError, match=r"^contract orders: roles: .*'access': 'write'.* is not a known role"):
        grants(with_roles("orders", {"role": "silver_reader", "access": "write"}))


def test_a_contract_that_names_an_unknown_role_is_refused():
    with pytest.raises(ValueError, match=r"^contract orders: roles: .*everybody.* is not a known role"):
        grants(with_roles("orders", {"role": "everybody", "access": "read"}))


def test_contracts_of_a_schema_that_name_different_roles_are_refused():
    roles = ({"role": role, "access": "read"} for role in ("silver_reader", "analytics"))
    with pytest.raises(
        ValueError, match=r"the contracts of silver name other roles: .*orders: analytics, silver_reader"
    ):
        grants(with_roles("orders", *roles))
