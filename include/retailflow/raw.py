"""The RAW layer: where a delivery stands, what makes it visible, and how it is written once and never changed.

A delivery is data files, then a manifest naming them, then `_SUCCESS`. Only what a manifest names exists for readers,
so a writer killed at any point leaves nothing half-visible. A batch is withdrawn by one more manifest; nothing is ever
changed or deleted, except by an erasure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING

from retailflow.manifests import (
    Manifest,
    RawFile,
    check_consistency,
    counting_for,
    neighbours,
    stored_manifest,
    ulid,
)

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

SUCCESS = "_SUCCESS"


@dataclass(frozen=True)
class Part:
    """A data file to be delivered. `suffix` follows the batch id: `.json`, `.store_007.csv`, `.h13.ndjson.gz`."""

    suffix: str
    payload: bytes
    records: int


class Kept(StrEnum):
    """Why a blob could not be deleted."""

    IMMUTABLE = "RAW is immutable for some days"
    FORBIDDEN = "the identity of raw.eraser may not delete there"


def day_path(entity: str, ingestion_date: date | str) -> str:
    """Return the folder of a day. The date may be a template, where it is known only when a task runs."""
    return f"{entity}/ingestion_date={ingestion_date}"


def batches_path(entity: str, ingestion_date: date) -> str:
    return f"{day_path(entity, ingestion_date)}/_batches"


class RawStore:
    """The RAW container. Everything is created conditionally; nothing here can overwrite.

    `root` is the container's URI for Spark.
    """

    def __init__(self, container: "ContainerClient", root: str = "") -> None:
        self._container = container
        self.root = root

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str, root: str = "") -> "RawStore":
        from azure.storage.blob import ContainerClient

        return cls(ContainerClient.from_connection_string(connection_string, container), root)

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

    def tags(self, prefix: str) -> dict[str, str]:
        """The ETag of each blob below a prefix, by its full path: another one after each write."""
        return {blob.name: blob.etag for blob in self._container.list_blobs(name_starts_with=prefix)}

    def modified(self, prefix: str) -> dict[str, datetime]:
        """When each blob below a prefix was written, by its full path."""
        return {blob.name: blob.last_modified for blob in self._container.list_blobs(name_starts_with=prefix)}

    def dates(self, entity: str) -> list[date]:
        """The ingestion dates of a feed that have a folder, in order."""
        folders = self._container.walk_blobs(name_starts_with=f"{entity}/ingestion_date=", delimiter="/")
        return sorted(date.fromisoformat(folder.name.rstrip("/").rpartition("=")[2]) for folder in folders)

    def delete(self, path: str) -> Kept | None:
        """Delete a blob; only for erasure, when a redacted batch has taken its place.

        Returns: None where the blob is gone, else why it must stay for now.
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            self._container.delete_blob(path)
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.FORBIDDEN:
                return Kept.FORBIDDEN
            if getattr(error, "error_code", None) == "BlobImmutableDueToPolicy":  # set by the storage client
                return Kept.IMMUTABLE
            raise
        return None

    def manifests(self, entity: str, ingestion_date: date, names: Iterable[str] | None = None) -> list[Manifest]:
        """The day's manifests, by batch, those that do not count any more included.

        Args:
            names: the full paths of the day's blobs, where they are known.

        Raises: BadManifest where one that counts cannot be read, or contradicts another.
        """
        found = self.stored_manifests(entity, ingestion_date, names)
        check_consistency(batches_path(entity, ingestion_date) + "/", found)
        return found

    def stored_manifests(self, entity: str, ingestion_date: date, names: Iterable[str] | None = None) -> list[Manifest]:
        """The same whatever is wrong with them, for a repair. Raises: BadManifest where one has no batch's name."""
        folder = batches_path(entity, ingestion_date) + "/"
        listed = self.names(folder) if names is None else sorted(name for name in names if name.startswith(folder))
        wanted = [name for name in listed if name.endswith(".json")]
        return [stored_manifest(name, self.read(name), entity, ingestion_date) for name in wanted]


def deliver(
    store: RawStore, entity: str, ingestion_date: date, batch_id: str, created_at: datetime, parts: Iterable[Part]
) -> Manifest:
    """Write a batch: its data files, then the manifest that makes them visible. Returns the manifest that holds.

    Each part is written before the next is asked for, so that an iterator never holds more than one in memory.
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
        return stored_manifest(path, store.read(path), manifest.entity, manifest.ingestion_date)
    return manifest


def supersede(store: RawStore, old: Manifest, files: Iterable[RawFile]) -> Manifest:
    """Write a manifest of these files in the place of another one. Returns the one that holds: the first to do so.

    Its batch sorts next to the old one, so that no other record changes its place in the total order.
    """
    named = tuple(files)
    for batch_id in neighbours(old.batch_id):
        wanted = Manifest(
            batch_id=batch_id,
            entity=old.entity,
            ingestion_date=old.ingestion_date,
            created_at=old.created_at,
            files=named,
            supersedes=old.batch_id,
        )
        held = publish(store, wanted)
        if held.supersedes == old.batch_id:
            return held
    raise AssertionError("unreachable: ULIDs do not end")


def withdraw(store: RawStore, entity: str, ingestion_date: date, batch_id: str) -> Manifest:
    """Let a batch count as never delivered: a manifest that supersedes it and names no files. Safe to repeat.

    Its files stay where they are, and so does its manifest, which need not be readable.

    Returns: the manifest of the withdrawal.

    Raises: KeyError where the day has no such batch; BadManifest.
    """
    while True:
        live = counting_for(store.stored_manifests(entity, ingestion_date), batch_id)
        if live.is_withdrawal:
            return live
        supersede(store, live.model_copy(update={"created_at": datetime.now(UTC)}), ())


def ingested_batch_ids(entity: str, ingestion_date: date) -> Iterator[str]:
    """The batches in which the ingestion delivers a day of an API, the first first: each follows a withdrawn one."""
    day_end = datetime.combine(ingestion_date + timedelta(days=1), datetime.min.time(), UTC)
    yield ulid(day_end, "ingest", entity)
    yield from (ulid(day_end, "ingest", entity, str(number)) for number in count(2))


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
