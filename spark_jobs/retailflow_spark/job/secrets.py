"""What a job may know and its parameters may not: secrets, from the environment's scope, and the store they open."""

from functools import cache
from typing import TYPE_CHECKING

from retailflow.environments import ConnectionString, Environment, ServicePrincipal
from retailflow.raw import RawStore

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def secret(environment: Environment, key: str) -> str:
    return workspace_client().dbutils.secrets.get(environment.secret_scope, key)


class NoEraser(RuntimeError):
    """An environment has no identity that may delete in RAW. The message says how to give it one."""


def open_raw(environment: Environment) -> RawStore:
    """The RAW container, to read and to create in."""
    return _open(environment, environment.raw.credential)


def open_raw_to_erase(environment: Environment) -> RawStore:
    """The RAW container, to delete in too: for the erasure's jobs alone.

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
    """Inside Databricks it authenticates as the run does; elsewhere by DATABRICKS_HOST and DATABRICKS_TOKEN."""
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient()
