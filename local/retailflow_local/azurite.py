"""The Blob emulator: its public development account, its command line, and the container of RAW."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from retailflow_local.processes import HOST

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

CONTAINER = "raw"

# The account of every Azure Storage emulator. Microsoft publishes its key, so it protects nothing.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# What each identity may do in RAW, as the data actions of its role in Azure (terraform/modules/storage/access.tf).
DATA_ACTIONS = {
    "airflow": ("read",),
    "ingestion": ("read", "write", "add/action"),
    "eraser": ("read", "write", "add/action", "delete"),
}
# The permissions of a shared access signature, each with the data action that allows it, in the order Azure requires.
_PERMISSIONS = {"r": "read", "a": "add/action", "c": "write", "w": "write", "d": "delete", "l": "read"}
_EXPIRY = "2099-12-31T00:00:00Z"


def connection_string(port: int) -> str:
    """Return a connection string with all rights, those of the owner of the account."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};"
    )


def restricted_connection_string(port: int, actions: Collection[str], name: str = CONTAINER) -> str:
    """Return a connection string that allows only these data actions, in one container."""
    from azure.storage.blob import generate_container_sas

    permissions = "".join(letter for letter, action in _PERMISSIONS.items() if action in actions)
    signature = generate_container_sas(ACCOUNT, name, ACCOUNT_KEY, permission=permissions, expiry=_EXPIRY)
    return f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};SharedAccessSignature={signature}"


def command(node: Path, script: Path, folder: Path, port: int) -> tuple[str, ...]:
    """Return the command. `--skipApiVersionCheck`: the Azure SDK uses newer API versions than the emulator knows."""
    options = ("--blobHost", HOST, "--blobPort", str(port), "--location", str(folder))
    return (str(node), str(script), *options, "--skipApiVersionCheck", "--silent", "--disableTelemetry")


def container(port: int, name: str = CONTAINER) -> "ContainerClient":
    """Return a container, by default that of RAW, and create it if it is missing."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_connection_string(connection_string(port), name)
    with suppress(ResourceExistsError):
        client.create_container()
    return client
