"""Secrets of the environment's scope, which jobs read because parameters must not contain them, and the RAW store."""

from functools import cache
from typing import TYPE_CHECKING

from retailflow.environments import ConnectionString, Environment, ServicePrincipal
from retailflow.raw import RawStore

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def secret(environment: Environment, key: str) -> str:
    """Return the value of a secret of the environment's scope."""
    return workspace_client().dbutils.secrets.get(environment.secret_scope, key)


class NoEraser(RuntimeError):
    """An environment has no identity that may delete in RAW. The message says how to add one."""


def open_raw(environment: Environment) -> RawStore:
    """Return the RAW container with the right to read and create blobs."""
    return _open(environment, environment.raw.credential)


def open_raw_to_erase(environment: Environment) -> RawStore:
    """Return the RAW container with the right to delete blobs too. Only the erasure jobs use it.

    Raises: NoEraser.
    """
    if environment.raw.eraser is None:
        raise NoEraser(
            f"environments/{environment.name}.yaml has no raw.eraser, so nothing can be deleted in RAW. Add it, and "
            "put its secrets into the vault (docs/runbooks/erase_a_customer.md)."
        )
    return _open(environment, environment.raw.eraser)


def _open(environment: Environment, credential: ConnectionString | ServicePrincipal) -> RawStore:
    if isinstance(credential, ConnectionString):
        connection_string = secret(environment, credential.connection_string_secret)
        return RawStore.from_connection_string(connection_string, environment.raw.container, environment.raw.root)
    from azure.identity import ClientSecretCredential
    from azure.storage.blob import ContainerClient

    principal = ClientSecretCredential(
        secret(environment, credential.tenant_id_secret),
        secret(environment, credential.client_id_secret),
        secret(environment, credential.client_secret_secret),
    )
    container = ContainerClient(credential.account_url, environment.raw.container, credential=principal)
    return RawStore(container, environment.raw.root)


@cache
def workspace_client() -> "WorkspaceClient":
    """Return the client: inside Databricks with the run's identity, else by DATABRICKS_HOST and DATABRICKS_TOKEN."""
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient()
