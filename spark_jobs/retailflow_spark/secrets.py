"""What a job may know and its parameters may not: secrets, from the environment's scope, and the store they open."""

from functools import cache
from typing import TYPE_CHECKING

from retailflow.environments import ConnectionString, Environment
from retailflow.raw import RawStore

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def secret(environment: Environment, key: str) -> str:
    return workspace_client().dbutils.secrets.get(environment.secret_scope, key)


def open_raw(environment: Environment) -> RawStore:
    """The RAW container, for writing."""
    credential = environment.raw.credential
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
