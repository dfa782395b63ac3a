"""The Blob emulator: its public development account, how it is started, and the container RAW stands in."""

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


def connection_string(port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};"
    )


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
