"""`./retailflow dbt …`: dbt's marts over GOLD, on the local lakehouse (docs/DBT.md)."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from retailflow_local.commands import REPOSITORY, inherited
from retailflow_local.errors import WorkspaceError
from retailflow_local.virtual_environments import virtual_environment
from retailflow_local.workspace import Workspace

ENVIRONMENTS = REPOSITORY / "include" / "dbt"
PROJECT = ENVIRONMENTS / "retailflow"
PROPERTIES = PROJECT / "properties"
_QUIET = {"PYTHONWARNINGS": "ignore:Failed to set spark.sql.catalogImplementation"}  # dbt causes it at each query


def properties(name: str) -> dict[str, Any]:
    """Return the content of a properties file of dbt, for example `models.yml`."""
    return yaml.safe_load((PROPERTIES / name).read_text())


def run(workspace: Workspace, arguments: Sequence[str]) -> int:
    """Run one command of dbt, which writes its files to the workspace. Returns its exit code.

    Raises:
        WorkspaceError: the Spark server does not run, or dbt could not be installed.
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
    """Run dbt's `run` or `build` for all models. Raises: WorkspaceError if dbt fails; dbt has then printed why."""
    if code := run(workspace, (command, "--quiet")):
        raise WorkspaceError(f"dbt ended with {code}: see above. Is there any data yet? ./retailflow demo")


def _program() -> Path:
    return virtual_environment(ENVIRONMENTS, "local") / "bin" / "dbt"


def main() -> None:
    """Run `retailflow-dbt`, the dbt that Airflow's tasks call. It installs dbt's environment when first needed."""
    os.execve(program := _program(), [str(program), *sys.argv[1:]], os.environ | _QUIET)
