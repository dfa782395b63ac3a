"""`./retailflow dbt …`: dbt's marts over GOLD, on the local lakehouse (docs/DBT.md)."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from retailflow.contracts import GoldContract, gold_tables
from retailflow_local.commands import REPOSITORY, inherited
from retailflow_local.errors import WorkspaceError
from retailflow_local.virtual_environments import virtual_environment
from retailflow_local.workspace import Workspace

ENVIRONMENTS = REPOSITORY / "include" / "dbt"
PROJECT = ENVIRONMENTS / "retailflow"
_PROPERTIES = PROJECT / "properties"
_QUIET = {"PYTHONWARNINGS": "ignore:Failed to set spark.sql.catalogImplementation"}  # it is asked for at each query
_GRACE_HOURS = 6  # a run late by that is no reason to warn
_BUILT = "SELECT max(started_at) FROM ops.task_runs WHERE layer = 'gold' AND name = '{name}'"


def properties(name: str) -> dict[str, Any]:
    """A file of what dbt is told of the models, such as `models.yml`."""
    return yaml.safe_load((_PROPERTIES / name).read_text())


def run(workspace: Workspace, arguments: Sequence[str]) -> int:
    """One command of dbt, whose output goes to the workspace. Returns its exit code.

    Raises:
        WorkspaceError: the Spark server does not run, or dbt could not be brought.
    """
    workspace.require_spark()
    folder = workspace.root / "dbt"
    settings = _QUIET | {
        "SPARK_REMOTE": workspace.spark_remote,
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    return subprocess.run([_program(), *arguments], env=inherited() | settings, check=False).returncode


def build(workspace: Workspace, command: str) -> None:
    """`run` or `build` of all models. Raises: WorkspaceError where dbt fails, which it then has said itself."""
    if code := run(workspace, (command, "--quiet")):
        raise WorkspaceError(f"dbt ended with {code}: see above. Is there any data yet? ./retailflow demo")


def _program() -> Path:
    return virtual_environment(ENVIRONMENTS, "local") / "bin" / "dbt"


def outputs(root: Path) -> dict[Path, str]:
    """dbt's sources, from the contracts: what each table and column means, and how old it may get."""
    tables = [_source(contract) for contract in sorted(gold_tables(), key=lambda contract: contract.name)]
    source = {
        "name": "gold",
        "description": "What readers see: audited versions only, all moved at once.",
        "schema": "gold",
        "tables": tables,
    }
    head = "# Written by ./retailflow contracts schemas from the contracts of GOLD.\n"
    text = yaml.safe_dump({"sources": [source]}, sort_keys=False, allow_unicode=True, width=120)
    return {root / _PROPERTIES.relative_to(REPOSITORY) / "sources.yml": head + text}


def _source(contract: GoldContract) -> dict[str, Any]:
    promise = next(p for p in contract.document["slaProperties"] if p["property"] == "frequency")
    hours = int(promise["value"]) * 24
    return {
        "name": contract.name,
        "description": contract.description,
        "config": {
            "loaded_at_query": _BUILT.format(name=contract.name),
            "freshness": {
                "warn_after": {"count": hours + _GRACE_HOURS, "period": "hour"},
                "error_after": {"count": 2 * hours + _GRACE_HOURS, "period": "hour"},
            },
        },
        "columns": [
            {"name": column.name, "description": column.description, "data_type": column.type.lower()}
            for column in contract.table.columns
        ],
    }


if __name__ == "__main__":  # of `local/dbt`, as Airflow's tasks call it
    os.execve(program := _program(), [str(program), *sys.argv[1:]], os.environ | _QUIET)
