"""The command line and the environment of each process of a workspace."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retailflow_local import airflow, azurite, postgres, spark_server
from retailflow_local.downloads import Progress, fetch_azurite, fetch_jars
from retailflow_local.state import workspace_files, write_key_vault
from retailflow_local.toolchain import java, node

if TYPE_CHECKING:
    from retailflow_local.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
Command = tuple[Sequence[str], dict[str, str]]

# Another tool's settings in the caller's shell must not reach ours.
_NOT_INHERITED = ("AIRFLOW_", "SPARK_", "PYSPARK_", "RETAILFLOW_", "DATABRICKS_", "JAVA_TOOL_OPTIONS")


def inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}


def command_of(space: "Workspace", name: str, on_step: Progress) -> Command:
    """Fetch and prepare what the process needs, and return its command. Raises: WorkspaceError if that fails."""
    if name.startswith("airflow-"):
        return airflow.component_command(name.removeprefix("airflow-")), space.environment()
    if name in ("spark", "azurite"):
        return {"spark": _spark, "azurite": _azurite}[name](space, on_step)
    return {"sources": _sources, "jobs": _jobs, "mail": _mail, "postgres": _postgres}[name](space)


def _spark(space: "Workspace", on_step: Progress) -> Command:
    jars = fetch_jars(on_step)
    settings = spark_server.write_settings(space.root, space.ports["spark"], space.ports["azurite"])
    command = spark_server.command(java().path, jars, space.root / "spark", settings)
    return command, spark_server.environment(inherited(), space.secrets.spark_token)


def _azurite(space: "Workspace", on_step: Progress) -> Command:
    tool = node()
    script = fetch_azurite(tool, on_step)
    return azurite.command(tool.path, script, space.root / "azurite", space.ports["azurite"]), inherited()


def _sources(space: "Workspace") -> Command:
    world = space.simulation
    options = ("--seed", str(world.seed), "--scale", str(world.scale), "--trouble", world.trouble)
    command = (sys.executable, "-m", "retailflow_local.simulator.api", "--port", str(space.ports["sources"]))
    return (*command, *options), {
        **inherited(),
        "RETAILFLOW_ORDERS_API_TOKEN": space.secrets.orders_api_token,
        "RETAILFLOW_CRM_API_TOKEN": space.secrets.crm_api_token,
    }


def _jobs(space: "Workspace") -> Command:
    state = space.root / "jobs"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = (sys.executable, "-m", "retailflow_local.jobs_api", "--port", str(space.ports["jobs"]))
    options = (
        "--state",
        str(state),
        "--workspace-files",
        str(workspace_files(space.root)),
        "--spark-remote",
        space.spark_address,
    )
    return (*command, *options), {
        **inherited(),
        "RETAILFLOW_DATABRICKS_TOKEN": space.jobs_token,
        "RETAILFLOW_ENV": "local",
        "RETAILFLOW_SPARK_TOKEN": space.secrets.spark_token,
        "RETAILFLOW_SECRETS_FILE": str(write_key_vault(space.root, space.secrets, space.ports["azurite"])),
        "RETAILFLOW_SOURCES_URL": space.sources_url,
    }


def _mail(space: "Workspace") -> Command:
    ports = ("--smtp-port", str(space.ports["smtp"]), "--port", str(space.ports["mail"]))
    command = (sys.executable, "-m", "retailflow_local.mail_sink", *ports, "--folder", str(space.root / "mail"))
    return command, inherited()


def _postgres(space: "Workspace") -> Command:
    postgres.prepare(space.root, space.secrets.postgres_password)
    return postgres.command(space.root, space.ports["postgres"], space.secrets.postgres_password), inherited()
