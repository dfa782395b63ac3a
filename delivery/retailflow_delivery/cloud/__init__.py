"""Read an environment in Azure with your own sign-in."""

import logging
from dataclasses import dataclass

from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from azure.storage.filedatalake import DataLakeServiceClient, FileSystemClient
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from retailflow.environments import Environment, ServicePrincipal
from retailflow.raw import RawStore
from retailflow_local.errors import WorkspaceError


@dataclass(frozen=True)
class Cloud:
    """An environment, with its RAW container and its Databricks workspace."""

    env: Environment
    raw: FileSystemClient
    workspace: WorkspaceClient


def connect(env: Environment) -> Cloud:
    """Return clients that sign in by `az login` or an equivalent, and by DATABRICKS_HOST or a profile. Send no request.

    Raises: WorkspaceError if the environment is not in Azure, or Databricks' sign-in is not set up.
    """
    account_url = _account_url(env).replace(".blob.", ".dfs.")
    lake = DataLakeServiceClient(account_url, DefaultAzureCredential(), retry_total=1, connection_timeout=10)
    try:
        workspace = WorkspaceClient(config=Config(http_timeout_seconds=60, retry_timeout_seconds=10))
    except (ValueError, OSError) as error:
        raise WorkspaceError(
            f"Databricks' sign-in is not set up: {error} Set DATABRICKS_HOST and run az login, or name a profile of "
            "~/.databrickscfg in DATABRICKS_CONFIG_PROFILE."
        ) from error
    return Cloud(env, lake.get_file_system_client(env.raw.container), workspace)


def raw_store(env: Environment) -> RawStore:
    """Return the RAW container, with the sign-in of `az login` or an equivalent. Send no request.

    Raises: WorkspaceError if the environment is not in Azure.
    """
    container = ContainerClient(
        _account_url(env), env.raw.container, DefaultAzureCredential(), retry_total=1, connection_timeout=10
    )
    return RawStore(container, env.raw.root)


def _account_url(env: Environment) -> str:
    if not isinstance(env.raw.credential, ServicePrincipal):
        raise WorkspaceError(f"The environment {env.name} is not in Azure.")
    for library in ("azure", "databricks"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # the error itself reports the failure once
    return env.raw.credential.account_url


def secret_names(env: Environment) -> list[str]:
    """Return the names of the secrets that jobs read from the scope."""
    credentials = (one.model_dump() for one in (env.raw.credential, env.raw.eraser) if one)
    names = {name for one in credentials for key, name in one.items() if key.endswith("_secret")}
    return sorted(names | {source.token_secret for source in env.sources.values()})
