"""Rules that the plan of each environment keeps, read from what `terraform test -verbose` planned.

The tests of a module speak of its resources by name; these look at every resource, so they also see one of tomorrow.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from retailflow.compute import Pool, submit_fields
from retailflow.contracts.privacy import classification_tag
from retailflow.environments import Environment, load_environment
from retailflow.release import FOLDER, Release
from retailflow_delivery.grants import SERVICE_PRINCIPALS, grants

CLOUD = ("dev", "stg", "prod")
_ROOT_TEST = "tests/root.tftest.hcl"
# What each of these must be wherever it appears, where nothing may be public.
_CLOSED = {
    "public_network_access_enabled": False,
    "allow_nested_items_to_be_public": False,
    "shared_access_key_enabled": False,
    "local_user_enabled": False,
    "container_access_type": "private",
    "default_action": "Deny",
    "no_public_ip": True,
}
_SECRET = re.compile(r"secret(_version)?$|_password$|_token$|_access_key$")  # types whose values would be in the state
_OUTBOUND = "module.networking.azurerm_public_ip.outbound[0]"  # of the NAT gateway: nobody comes in by it
# What Azure must have registered in the subscription before it makes a resource of a type that begins so. It has
# Authorization, Consumption and Resources in every subscription.
_NAMESPACES: dict[str, set[str]] = {
    "azurerm_consumption_": set(),
    "azurerm_databricks_": {"Databricks", "ManagedIdentity"},
    "azurerm_key_vault": {"KeyVault"},
    "azurerm_log_analytics_": {"OperationalInsights"},
    "azurerm_monitor_": {"Insights"},
    "azurerm_nat_gateway": {"Network"},
    "azurerm_network_": {"Network"},
    "azurerm_private_": {"Network"},
    "azurerm_public_ip": {"Network"},
    "azurerm_resource_group": set(),
    "azurerm_role_": set(),
    "azurerm_storage_": {"Storage"},
    "azurerm_subnet": {"Network"},
    "azurerm_virtual_network": {"Network"},
    "databricks_instance_pool": {"Compute"},
}
_REGISTERED = re.compile(r"for namespace in ([A-Za-z ]+); do")  # of the guide
Plan = dict[str, dict[str, Any]]


def planned(lines: list[dict[str, Any]]) -> dict[str, Plan]:
    """Per environment, its resources by address, with the values that are known before it is applied."""
    found = {
        line["@testrun"]: {item["address"]: item["change"]["after"] for item in line["test_plan"]["resource_changes"]}
        for line in lines
        if line["type"] == "test_plan" and line["@testfile"] == _ROOT_TEST and line["@testrun"] in CLOUD
    }
    return {name: found.get(name, {}) for name in CLOUD}


def broken(plans: dict[str, Plan]) -> list[str]:
    """The rules that are broken, a sentence each."""
    found = []
    for name, plan in plans.items():
        environment = load_environment(name)
        sentences = [f"is not planned: {_ROOT_TEST} has no run of that name, or it fails"] if not plan else []
        if plan and name != "dev":
            sentences += _public(plan)
        if plan:
            sentences += [*_secrets(plan), *_vaults(plan), *_names(plan, environment)]
            sentences += [*_grants(plan, environment), *_policy(plan, environment), *_way_out(plan, environment)]
        found += [f"{name}: {sentence}" for sentence in sentences]
    return found


def unregistered(plans: dict[str, Plan], guide: str) -> list[str]:
    """Where the guide registers other resource providers than the plans need, a sentence each."""
    types = {_type(address) for plan in plans.values() for address in plan}
    needed, found = set[str](), []
    for name in sorted(types):
        namespaces = [value for prefix, value in _NAMESPACES.items() if name.startswith(prefix)]
        needed.update(*namespaces)
        if not namespaces and name.startswith("azurerm_"):
            found.append(f"{name}: say in plans.py which resource provider Azure needs for it")
    match = _REGISTERED.search(guide)
    registered = set(match[1].split()) if match else set()
    found += [f"docs/DEPLOYMENT.md does not register Microsoft.{name}" for name in sorted(needed - registered)]
    found += [f"docs/DEPLOYMENT.md registers Microsoft.{name} for nothing" for name in sorted(registered - needed)]
    return found


def _public(plan: Plan) -> Iterator[str]:
    for address, values in plan.items():
        for path, value in _leaves(values):
            wanted = _CLOSED.get(path[-1])
            if wanted is not None and value is not None and value != wanted:
                yield f"{address}: {'.'.join(path)} is {value}, which is public; it must be {wanted}"
        if "azurerm_public_ip." in address and address != _OUTBOUND:
            yield f"{address}: is a public address"


def _secrets(plan: Plan) -> Iterator[str]:
    for address in plan:
        if _SECRET.search(_type(address)):
            yield f"{address}: a secret would stand in Terraform's state; put it into the Key Vault by hand"


def _vaults(plan: Plan) -> Iterator[str]:
    """A secret scope shows all of its vault, so the vault of the jobs and that of Airflow have different readers."""
    role = "Key Vault Secrets User"
    readers = {
        address.split(".")[1]: values["principal_id"]
        for address, values in plan.items()
        if values.get("role_definition_name") == role
    }
    if len(readers) != 2 or len(set(readers.values())) != 2:
        yield f"{role}: {readers}; the jobs and Airflow each need a vault with a reader of its own"


def _type(address: str) -> str:
    return address.partition("[")[0].split(".")[-2]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    elif path:
        yield path, value


def _names(plan: Plan, environment: Environment) -> Iterator[str]:
    """What the code reads from the environment file exists under that name."""
    container, _, host = environment.raw.root.removeprefix("abfss://").partition("@")
    named = (
        ("databricks_catalog.this", "name", environment.catalog),
        ("azurerm_storage_account.this", "name", host.partition(".")[0]),
        ("azurerm_storage_container.raw", "name", container),
        ('databricks_external_location.this["raw"]', "url", f"{environment.raw.root}/"),
        ("databricks_secret_scope.this", "name", environment.secret_scope),
        ('databricks_group.role["restricted_reader"]', "display_name", environment.restricted_group),
        ('databricks_group.role["bronze_reader"]', "display_name", environment.on_call_group),
        ("databricks_tag_policy.classification", "tag_key", classification_tag(environment.catalog)),
        ("databricks_directory.code", "path", FOLDER.removeprefix("/Workspace").rpartition("/")[0]),
    )
    for ending, key, wanted in named:
        value = next((values.get(key) for address, values in plan.items() if address.endswith(ending)), None)
        if value != wanted:
            yield f"{ending}: {key} is {value!r}, but the jobs use {wanted!r}"
    for address, values in plan.items():
        if address.endswith("azurerm_monitor_action_group.this"):
            told = sorted(receiver["email_address"] for receiver in values["email_receiver"])
            if told != sorted(environment.alert_addresses):
                yield f"{address}: alerts go to {told}, not to {environment.alert_addresses}"
        if values.get("tags") is not None and "azurerm_" in address and values["tags"] != environment.tags:
            yield f"{address}: its tags are not those of the environment file"


def _grants(plan: Plan, environment: Environment) -> Iterator[str]:
    """What is applied is what the contracts' roles say, to the last privilege."""
    clients = {
        address.rpartition(".")[2]: values["application_id"]
        for address, values in plan.items()
        if "databricks_service_principal." in address
    }
    wanted = {
        securable: {
            clients[role] if role in SERVICE_PRINCIPALS else f"retailflow_{environment.name}_{role}": privileges
            for role, privileges in of_roles.items()
        }
        for securable, of_roles in grants().items()
    }
    applied = {
        address.partition('["')[2].removesuffix('"]'): {
            grant["principal"]: sorted(grant["privileges"]) for grant in values["grant"]
        }
        for address, values in plan.items()
        if "databricks_grants." in address
    }
    for securable in sorted(wanted.keys() | applied.keys()):
        if applied.get(securable) != wanted.get(securable):
            yield f"grants on {securable} are {applied.get(securable)}, but the roles say {wanted.get(securable)}"
    others = [address for address in plan if "databricks_grant." in address]
    yield from (f"{address}: grants are given in databricks_grants.this only" for address in others)


def _policy(plan: Plan, environment: Environment) -> Iterator[str]:
    """The policy allows the cluster that the jobs ask for, and the pool has its runtime ready."""
    pool = next(values for address, values in plan.items() if address.endswith("databricks_instance_pool.jobs"))
    policy = next(values for address, values in plan.items() if address.endswith("databricks_cluster_policy.jobs"))
    compute = Pool(profile="pool", instance_pool_id=pool["id"], workers=1)
    asked = submit_fields(compute, Release("any"), environment.tags)[1]["new_cluster"]
    asked |= {f"custom_tags.{key}": value for key, value in asked.pop("custom_tags").items()}
    for key, rule in json.loads(policy["definition"]).items():
        if rule["type"] == "fixed" and key != "cluster_type" and asked.get(key) != rule["value"]:
            yield f"the cluster policy wants {key} to be {rule['value']}, but the jobs ask for {asked.get(key)}"
    if asked["spark_version"] not in pool["preloaded_spark_versions"]:
        yield f"the instance pool has {pool['preloaded_spark_versions']}, but the jobs ask for {asked['spark_version']}"


def _way_out(plan: Plan, environment: Environment) -> Iterator[str]:
    """A NAT gateway is paid for where clusters need it, and nowhere else."""
    has_gateway, profile = any("azurerm_nat_gateway." in address for address in plan), environment.compute.profile
    if has_gateway != (profile != "serverless"):
        yield f"there is {'a' if has_gateway else 'no'} NAT gateway, but compute.profile is {profile}"
