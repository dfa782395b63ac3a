"""The RAW layer: where a delivery stands, what makes it visible, and how it is written once and never changed.

A delivery is data files, then a manifest naming them, then `_SUCCESS`. Only what a manifest names exists for readers,
so a writer killed at any point leaves nothing half-visible.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

SUCCESS = "_SUCCESS"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RawFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^batch_[0-9A-Za-z_.\-]+$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    records: int = Field(ge=0)


class Manifest(BaseModel):
    """One delivered batch. `records` counts records (an order, a line, an event), not pages or files.

    One that `redacts` another stands in its place: the other no longer counts, and its data goes (redaction.py).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    batch_id: str = Field(pattern=rf"^[{_CROCKFORD}]{{26}}$")
    entity: str
    ingestion_date: date
    created_at: datetime
    files: tuple[RawFile, ...]
    redacts: str | None = Field(default=None, pattern=rf"^[{_CROCKFORD}]{{26}}$")


@dataclass(frozen=True)
class Part:
    """A data file to be delivered. `suffix` follows the batch id: `.json`, `.store_007.csv`, `.h13.ndjson.gz`."""

    suffix: str
    payload: bytes
    records: int


def day_path(entity: str, ingestion_date: date) -> str:
    return f"{entity}/ingestion_date={ingestion_date:%Y-%m-%d}"


def batches_path(entity: str, ingestion_date: date) -> str:
    return f"{day_path(entity, ingestion_date)}/_batches"


def ulid(moment: datetime, *identity: str) -> str:
    """A ULID that is the same for the same moment and identity, so that a repeated delivery has the same name.

    48 bits of milliseconds and 80 bits, here of a digest instead of chance (ULID specification, Crockford base 32).
    """
    milliseconds = int(moment.timestamp() * 1000)
    digest = hashlib.sha256("\0".join(identity).encode()).digest()[:10]
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + digest, "big")
    return _in_base_32(number)


def next_ulid(batch_id: str) -> str:
    """The ULID that sorts right after this one."""
    number = 0
    for digit in batch_id:
        number = number * 32 + _CROCKFORD.index(digit)
    return _in_base_32(number + 1)


def _in_base_32(number: int) -> str:
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


class RawStore:
    """The RAW container. Everything is created conditionally; nothing here can overwrite."""

    def __init__(self, container: "ContainerClient") -> None:
        self._container = container

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str) -> "RawStore":
        from azure.storage.blob import ContainerClient

        return cls(ContainerClient.from_connection_string(connection_string, container))

    def create(self, path: str, payload: bytes) -> bool:
        """Write a blob if there is none of that name. False, and nothing changed, where there is one already."""
        from azure.core.exceptions import ResourceExistsError

        try:
            self._container.upload_blob(path, payload, overwrite=False)
        except ResourceExistsError:
            return False
        return True

    def read(self, path: str) -> bytes:
        return self._container.download_blob(path).readall()

    def exists(self, path: str) -> bool:
        return self._container.get_blob_client(path).exists()

    def names(self, prefix: str) -> list[str]:
        """The full paths of the blobs below a prefix, sorted."""
        return sorted(self._container.list_blob_names(name_starts_with=prefix))

    def delete(self, path: str) -> bool:
        """Delete a blob; only for erasure, when a redacted batch stands for it. True also where it is gone already.

        False where it must stay for now: RAW may be immutable for some days (terraform/modules/storage).
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            self._container.delete_blob(path)
        except ResourceNotFoundError:
            return True
        except HttpResponseError as error:
            if getattr(error, "error_code", None) != "BlobImmutableDueToPolicy":  # set by the storage client
                raise
            return False
        return True

    def manifests(self, entity: str, ingestion_date: date) -> list[Manifest]:
        names = self.names(batches_path(entity, ingestion_date) + "/")
        return [Manifest.model_validate_json(self.read(name)) for name in names]


def deliver(
    store: RawStore, entity: str, ingestion_date: date, batch_id: str, created_at: datetime, parts: list[Part]
) -> Manifest:
    """Write a batch: its data files, then the manifest that makes them visible. Returns the manifest that holds.

    Repeating a delivery, or two at once, is safe: the first manifest written wins and later ones change nothing.

    Raises:
        FileExistsError: a data file of that name holds other bytes. Name parts by their content where these may vary.
    """
    folder = day_path(entity, ingestion_date)
    files = []
    for part in parts:
        name = f"batch_{batch_id}{part.suffix}"
        if not store.create(f"{folder}/{name}", part.payload) and store.read(f"{folder}/{name}") != part.payload:
            raise FileExistsError(f"{folder}/{name} stands in RAW with other bytes; RAW is never overwritten")
        digest = hashlib.sha256(part.payload).hexdigest()
        files.append(RawFile(name=name, bytes=len(part.payload), sha256=digest, records=part.records))
    manifest = Manifest(
        batch_id=batch_id, entity=entity, ingestion_date=ingestion_date, created_at=created_at, files=tuple(files)
    )
    return publish(store, manifest)


def publish(store: RawStore, manifest: Manifest) -> Manifest:
    """Write a manifest, which makes its files visible. Returns the one that holds: the first of its batch."""
    path = f"{batches_path(manifest.entity, manifest.ingestion_date)}/{manifest.batch_id}.json"
    if not store.create(path, manifest.model_dump_json(indent=1, exclude_none=True).encode()):
        return Manifest.model_validate_json(store.read(path))
    return manifest


def counted(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The batches that count: those that none of the others redacts."""
    manifests = list(manifests)
    redacted = {manifest.redacts for manifest in manifests}
    return [manifest for manifest in manifests if manifest.batch_id not in redacted]


def complete(store: RawStore, entity: str, ingestion_date: date) -> None:
    """Say that the day's delivery is complete: what the sensors wait for."""
    store.create(f"{day_path(entity, ingestion_date)}/{SUCCESS}", b"")


def is_complete(store: RawStore, entity: str, ingestion_date: date) -> bool:
    return store.exists(f"{day_path(entity, ingestion_date)}/{SUCCESS}")


def batch_ids(store: RawStore, entity: str, ingestion_date: date) -> set[str]:
    """The batches whose manifests stand in the day's folder, by their names alone."""
    names = store.names(batches_path(entity, ingestion_date) + "/")
    return {name.rpartition("/")[2].removesuffix(".json") for name in names}


def join_pages(pages: list[bytes]) -> bytes:
    """API pages as one JSON array, each page's bytes as received."""
    return b"[" + b",".join(pages) + b"]"
