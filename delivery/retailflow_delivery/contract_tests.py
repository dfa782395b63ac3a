"""`./retailflow contracts test`: lint the contracts and test the tables with datacontract-cli, an independent tool."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from retailflow.contracts import FeedContract, GoldContract
from retailflow_delivery.checks.tools import PROJECT
from retailflow_local.commands import inherited
from retailflow_local.errors import WorkspaceError
from retailflow_local.virtual_environments import virtual_environment
from retailflow_local.workspace import Workspace

_CATALOG = "spark_catalog"


def run(workspace: Workspace, contracts: Iterable[FeedContract | GoldContract]) -> dict[str, dict[str, Any]]:
    """Return, per contract, the number of `checks`, and a sentence for each failure (`wrong`) or warning (`warned`).

    Raises:
        WorkspaceError: the Spark server does not run, or the tool could not be installed or returned no result.
    """
    workspace.require_spark()
    asked = {
        contract.name: {"whole": yaml.safe_dump(contract.document), "tested": yaml.safe_dump(tested(contract.document))}
        for contract in contracts
    }
    python = virtual_environment(PROJECT, "contracts") / "bin" / "python"
    result = subprocess.run(
        [str(python), str(PROJECT / "contracts.py")],
        input=json.dumps(asked),
        env=inherited() | {"SPARK_REMOTE": workspace.spark_remote},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise WorkspaceError(f"datacontract-cli gave no answer: {result.stderr[-2000:]}")
    return json.loads(result.stdout)


def tested(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contract in a form that the tool can test: with the server of its table, and checks as counts."""
    (table,) = document["schema"]
    schema, _, name = table["physicalName"].partition(".")
    server = {"server": "local", "type": "databricks", "host": "localhost", "catalog": _CATALOG, "schema": schema}
    rules = [_counting(rule, name) for rule in table.get("quality", ())]
    return {**document, "servers": [server], "schema": [{**table, "physicalName": name, "quality": rules}]}


def _counting(rule: Mapping[str, Any], table: str) -> dict[str, Any]:
    query = f"SELECT count(*) FROM {table} WHERE NOT ({rule['implementation']})"
    kept = {key: rule[key] for key in ("name", "description", "severity") if key in rule}
    return {**kept, "type": "sql", "query": query, "mustBe": 0}
