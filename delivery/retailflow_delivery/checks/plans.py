"""Check rules of each environment's plan, read from the output of `terraform test -verbose`.

The tests of a module name its resources. These rules check every resource, so they also cover resources added later.
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
# The value that each of these arguments must have in environments where nothing may be public.
_CLOSED = {
    "public_network_access_enabled": False,
    "allow_nested_items_to_be_public": False,
    "shared_access_key_enabled": False,
    "local_user_enabled": False,
    "container_access_type": "private",
    "default_action": "Deny",
    "no_public_ip": True,
}
_SECRET = re.compile(r"secret(_version)?$|_password$|_token$|_access_key$")  # types whose values the state would store
_OUTBOUND = "module.networking.azurerm_public_ip.outbound[0]"  # the NAT gateway's; it accepts no inbound connection
# The resource providers that a subscription must have registered before Azure can create resources, by the beginning of
# their type. Authorization, Consumption and Resources are registered in every subscription.
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
_REGISTERED = re.compile(r"for namespace in ([A-Za-z ]+); do")  # the registration command in docs/DEPLOYMENT.md
Plan = dict[str, dict[str, Any]]


def planned(lines: list[dict[str, Any]]) -> dict[str, Plan]:
    """Return, per environment, the planned values of its resources by address: those known before apply."""
    found = {
        line["@testrun"]: {item["address"]: item["change"]["after"] for item in line["test_plan"]["resource_changes"]}
        for line in lines
        if line["type"] == "test_plan" and line["@testfile"] == _ROOT_TEST and line["@testrun"] in CLOUD
    }
    return {name: found.get(name, {}) for name in CLOUD}


def broken(plans: dict[str, Plan]) -> list[str]:
    """Return a sentence for each rule that a plan breaks."""
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
    """Return a sentence for each resource provider that the guide misses or registers unnecessarily."""
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
    """Check that jobs and Airflow have separate vaults and readers: a secret scope exposes all secrets of its vault."""
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
    """Check that the resources that the environment file names exist under these names."""
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
            receivers = sorted(receiver["email_address"] for receiver in values["email_receiver"])
            if receivers != sorted(environment.alert_addresses):
                yield f"{address}: alerts go to {receivers}, not to {environment.alert_addresses}"
        if values.get("tags") is not None and "azurerm_" in address and values["tags"] != environment.tags:
            yield f"{address}: its tags are not those of the environment file"


def _grants(plan: Plan, environment: Environment) -> Iterator[str]:
    """Check that the applied grants are exactly those of the contracts' roles."""
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
    """Check that the policy allows the cluster that the jobs request, and that the pool preloads its runtime."""
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
    """Check that there is a NAT gateway, which costs money, only where clusters need it."""
    has_gateway, profile = any("azurerm_nat_gateway." in address for address in plan), environment.compute.profile
    if has_gateway != (profile != "serverless"):
        yield f"there is {'a' if has_gateway else 'no'} NAT gateway, but compute.profile is {profile}"
