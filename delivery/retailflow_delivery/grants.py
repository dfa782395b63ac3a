"""Define the privileges in Unity Catalog, and generate the files that use them.

The `roles` of each contract list the readers of SILVER and GOLD; `_FIXED` has the rest. `./retailflow grants` writes
terraform/unity_catalog.json, which Terraform applies, and the tables in docs/UNITY_CATALOG.md. A privilege on a schema
applies to all its tables, including future ones. Therefore the contracts of one schema must name the same roles.
"""

import json
from collections import defaultdict
from pathlib import Path

from retailflow.contracts import FeedContract, GoldContract, feeds, gold_tables

JOBS = "jobs"
DEPLOYER = "deployer"
SERVICE_PRINCIPALS = (JOBS, DEPLOYER)  # the other roles are groups
RESTRICTED = "restricted_reader"  # the environments' `restricted_group` is its group
ROLES = {
    "raw_ingestion": "Source systems. Sees RAW; creates blobs there by an Azure role that cannot delete.",
    "bronze_reader": "Engineers on call. Sees records as received, quarantine, and the run log of the jobs.",
    "silver_reader": "Engineers and data scientists. Sees typed and valid records, one row per business key.",
    "gold_reader": "Programs like Power BI. Sees GOLD and the marts.",
    "analytics": "Analysts. Sees GOLD and the marts.",
    RESTRICTED: "Reads nothing by itself. Sees restricted columns where another role lets it read; the jobs are in it.",
    "platform_admin": "Operates the platform. Has all privileges on the catalog, including the right to grant.",
    JOBS: "The service principal that Airflow submits jobs as. Not a person.",
    DEPLOYER: "The service principal that installs releases. Creates masks; reads no table.",
}
READ = ("SELECT", "USE_SCHEMA")
_BUILD = ("CREATE_TABLE", "MODIFY", *READ)
_MASK = ("CREATE_FUNCTION", "MANAGE", "USE_SCHEMA")  # a policy needs MANAGE

# Privileges that no contract defines: securable, then role, then privileges. ALL_PRIVILEGES does not include MANAGE.
_FIXED: dict[str, dict[str, tuple[str, ...]]] = {
    "catalog": {
        **{role: ("USE_CATALOG",) for role in ROLES if role != "platform_admin"},
        "platform_admin": ("ALL_PRIVILEGES", "MANAGE"),
    },
    "external_location.raw": {JOBS: ("READ_FILES",)},
    "schema.raw": {role: ("READ_VOLUME", "USE_SCHEMA") for role in ("raw_ingestion", JOBS)},
    "schema.bronze": {
        "bronze_reader": READ,
        JOBS: ("CREATE_MATERIALIZED_VIEW", *_BUILD),  # docs/LAKEFLOW.md
        DEPLOYER: _MASK,
    },
    "schema.quarantine": {"bronze_reader": READ, JOBS: _BUILD, DEPLOYER: _MASK},
    "schema.silver": {JOBS: _BUILD, DEPLOYER: _MASK},
    "schema.gold_build": {JOBS: _BUILD},
    "schema.gold": {JOBS: ("CREATE_TABLE", *READ)},  # only views, all owned by the jobs
    "schema.marts": {JOBS: _BUILD},  # dbt's; the readers of GOLD may read them
    "schema.ops": {"bronze_reader": READ, JOBS: _BUILD},
}
_DOCUMENT_BEGIN, _DOCUMENT_END = "<!-- ./retailflow grants writes from here -->", "<!-- to here -->"


def grants(contracts: tuple[FeedContract | GoldContract, ...] | None = None) -> dict[str, dict[str, list[str]]]:
    """Return, per securable (`catalog`, `schema.gold`, `external_location.raw`), the privileges of each role.

    Raises: ValueError if a contract names an unknown role, lets a role write, or differs from others of its schema.
    """
    found = {securable: dict(of_roles) for securable, of_roles in _FIXED.items()}
    for schema, readers in _readers(contracts or (*feeds(), *gold_tables())).items():
        for place in ("gold", "marts") if schema == "gold" else (schema,):
            found[f"schema.{place}"] |= dict.fromkeys(readers, READ)
    return {
        securable: {role: sorted(found[securable][role]) for role in ROLES if role in found[securable]}
        for securable in sorted(found)
    }


def _readers(contracts: tuple[FeedContract | GoldContract, ...]) -> dict[str, frozenset[str]]:
    """Return, per schema, the roles that its contracts name."""
    by_schema: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for contract in contracts:
        schema = "gold" if isinstance(contract, GoldContract) else "silver"
        roles = contract.document["roles"]
        if wrong := [role for role in roles if role["role"] not in ROLES or role.get("access") != "read"]:
            raise ValueError(f"contract {contract.name}: roles: {wrong[0]} is not a known role with access: read")
        by_schema[schema][contract.name] = frozenset(role["role"] for role in roles)
    for schema, of_contracts in by_schema.items():
        if len(set(of_contracts.values())) > 1:
            said = "; ".join(f"{name}: {', '.join(sorted(roles))}" for name, roles in sorted(of_contracts.items()))
            raise ValueError(f"a schema is granted as a whole, but the contracts of {schema} name other roles: {said}")
    return {schema: next(iter(of_contracts.values())) for schema, of_contracts in by_schema.items()}


def schemas() -> list[str]:
    return [name.removeprefix("schema.") for name in grants() if name.startswith("schema.")]


def outputs(root: Path) -> dict[Path, str]:
    """Return the generated files: the text of each by its path."""
    document = root / "docs" / "UNITY_CATALOG.md"
    before, _, rest = document.read_text().partition(_DOCUMENT_BEGIN)
    after = rest.partition(_DOCUMENT_END)[2]
    applied = {"feeds": [contract.name for contract in feeds()], "grants": grants()}
    return {
        root / "terraform" / "unity_catalog.json": json.dumps(applied, indent=2) + "\n",
        document: f"{before}{_DOCUMENT_BEGIN}\n{_tables()}\n{_DOCUMENT_END}{after}",
    }


def _tables() -> str:
    """Return Markdown tables of the roles, and of their privileges on each securable."""
    given = grants()
    roles = ["| role | who |", "|---|---|", *(f"| `{role}` | {who} |" for role, who in ROLES.items())]
    columns = ["catalog", *(name for name in given if name != "catalog")]
    rows = [f"| privileges on | {' | '.join(f'`{role}`' for role in ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    for name in columns:
        cells = (", ".join(given[name].get(role, ())).replace("_", " ") for role in ROLES)
        kind, _, place = name.partition(".")
        rows.append(f"| {kind.replace('_', ' ')}{f' `{place}`' if place else ''} | {' | '.join(cells)} |")
    return "\n".join([*roles, "", *rows])
