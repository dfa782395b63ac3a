"""What an environment needs beside Terraform: a folder for each feed in RAW, and the secret scope."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from azure.core.exceptions import AzureError
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.workspace import AzureKeyVaultSecretScopeMetadata, ScopeBackendType

from retailflow.contracts import entities
from retailflow.environments import Environment
from retailflow_local.cloud import Cloud, connect
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError


@dataclass(frozen=True)
class Step:
    """Something that is missing, and what makes it."""

    title: str
    make: Callable[[], object]


def run(env: Environment, vault_id: str | None, *, is_dry_run: bool) -> None:
    """Say what is missing, and make it unless it is a dry run. Safe to repeat.

    Raises: WorkspaceError where Azure or Databricks refuse, or do not answer.
    """
    try:
        steps = list(missing(connect(env), vault_id))
        for step in steps:
            if not is_dry_run:
                step.make()
            console.print(f"{'would make' if is_dry_run else 'made'}  {step.title}")
    except (AzureError, DatabricksError, OSError) as error:
        said = str(error).strip().partition("\n")[0]
        fix = f"./retailflow doctor --env {env.name} says what cannot be reached. What was made stays; repeat this."
        raise WorkspaceError(f"{type(error).__name__}: {said} {fix}") from error
    if not steps:
        console.print("Nothing is missing.")


def missing(cloud: Cloud, vault_id: str | None) -> Iterator[Step]:
    """The steps that are still to be taken; none where all is there. Looks, and changes nothing.

    Args:
        vault_id: resource id of the Key Vault behind the secret scope; without one the scope is left to Terraform.
    """
    present = {path.name for path in cloud.raw.get_paths(recursive=False)}
    for feed in (contract.name for contract in entities()):
        if feed not in present:
            yield Step(f"folder {feed}/ in RAW", partial(cloud.raw.create_directory, feed))
    scope = cloud.env.secret_scope
    if vault_id and scope not in {found.name for found in cloud.workspace.secrets.list_scopes()}:
        vault = AzureKeyVaultSecretScopeMetadata(resource_id=vault_id, dns_name=_dns_name(vault_id))
        make = partial(
            cloud.workspace.secrets.create_scope,
            scope,
            scope_backend_type=ScopeBackendType.AZURE_KEYVAULT,
            backend_azure_keyvault=vault,
        )
        yield Step(f"secret scope {scope}, on the vault {vault_id.rpartition('/')[2]}", make)


def _dns_name(vault_id: str) -> str:
    return f"https://{vault_id.rpartition('/')[2]}.vault.azure.net/"
