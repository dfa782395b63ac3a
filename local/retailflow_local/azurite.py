"""The Blob emulator: its public development account, how it is started, and the container RAW stands in."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from retailflow_local.processes import HOST

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

CONTAINER = "raw"

# The account every Azure Storage emulator has; its key is published by Microsoft and guards nothing.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# What each identity may do in RAW, as the data actions of its role in Azure (terraform/modules/storage/access.tf).
DATA_ACTIONS = {
    "airflow": ("read",),
    "ingestion": ("read", "write", "add/action"),
    "eraser": ("read", "write", "add/action", "delete"),
}
# The permissions of a shared access signature that let through what a data action does, in the order that it asks for.
_PERMISSIONS = {"r": "read", "a": "add/action", "c": "write", "w": "write", "d": "delete", "l": "read"}
_EXPIRY = "2099-12-31T00:00:00Z"


def connection_string(port: int) -> str:
    """May do everything, as the owner of the account."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};"
    )


def restricted_connection_string(port: int, actions: Collection[str], name: str = CONTAINER) -> str:
    """May do in one container what these data actions allow, and nothing else."""
    from azure.storage.blob import generate_container_sas

    permissions = "".join(letter for letter, action in _PERMISSIONS.items() if action in actions)
    signature = generate_container_sas(ACCOUNT, name, ACCOUNT_KEY, permission=permissions, expiry=_EXPIRY)
    return f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};SharedAccessSignature={signature}"


def command(node: Path, script: Path, folder: Path, port: int) -> tuple[str, ...]:
    """`--skipApiVersionCheck`: the Azure SDK speaks newer versions of the API than the emulator knows of."""
    options = ("--blobHost", HOST, "--blobPort", str(port), "--location", str(folder))
    return (str(node), str(script), *options, "--skipApiVersionCheck", "--silent", "--disableTelemetry")


def container(port: int, name: str = CONTAINER) -> "ContainerClient":
    """A container, RAW's unless named, made where it is missing."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_connection_string(connection_string(port), name)
    with suppress(ResourceExistsError):
        client.create_container()
    return client
