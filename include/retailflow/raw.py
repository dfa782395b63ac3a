"""The RAW layer: where a delivery is stored, what makes it visible, and how it is written once and never changed.

A delivery writes data files, then a manifest that names them, then `_SUCCESS`. Readers see only files that a manifest
names, so a writer that is killed at any point leaves nothing half visible. A further manifest can withdraw a batch.
Nothing is ever changed or deleted, except by an erasure.
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
    """A data file to deliver. Its name is the batch id and `suffix`: `.json`, `.store_007.csv`, `.h13.ndjson.gz`."""

    suffix: str
    payload: bytes
    records: int


class Kept(StrEnum):
    """Why a blob could not be deleted."""

    IMMUTABLE = "RAW is immutable for some days"
    FORBIDDEN = "the identity of raw.eraser may not delete there"


def day_path(feed: str, ingestion_date: date | str) -> str:
    """Return the folder of a day. The date may be a template that Airflow renders when the task runs."""
    return f"{feed}/ingestion_date={ingestion_date}"


def plan_path(databricks_run_id: str | int) -> str:
    """Return the path of the plan that a job leaves for Airflow. No feed has a name that begins with an underscore."""
    return f"_plans/{databricks_run_id}.json"


def batches_path(feed: str, ingestion_date: date) -> str:
    """Return the folder of a day's manifests."""
    return f"{day_path(feed, ingestion_date)}/_batches"


class RawStore:
    """The RAW container. It only creates blobs that do not exist yet; it never overwrites.

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
        """Write a blob unless one of that name exists. Returns False, and changes nothing, where it exists."""
        from azure.core.exceptions import ResourceExistsError

        try:
            self._container.upload_blob(path, payload, overwrite=False)
        except ResourceExistsError:
            return False
        return True

    def read(self, path: str) -> bytes:
        """Return the content of a blob."""
        return self._container.download_blob(path).readall()

    def exists(self, path: str) -> bool:
        """Return whether there is a blob with this path."""
        return self._container.get_blob_client(path).exists()

    def names(self, prefix: str) -> list[str]:
        """Return the full paths of the blobs below a prefix, sorted."""
        return sorted(self._container.list_blob_names(name_starts_with=prefix))

    def tags(self, prefix: str) -> dict[str, str]:
        """Return the ETag of each blob below a prefix, by its full path. Each write of a blob changes its ETag."""
        return {blob.name: blob.etag for blob in self._container.list_blobs(name_starts_with=prefix)}

    def modified(self, prefix: str) -> dict[str, datetime]:
        """Return when each blob below a prefix was written, by its full path."""
        return {blob.name: blob.last_modified for blob in self._container.list_blobs(name_starts_with=prefix)}

    def dates(self, feed: str) -> list[date]:
        """Return the ingestion dates of a feed that have a folder, in order."""
        folders = self._container.walk_blobs(name_starts_with=f"{feed}/ingestion_date=", delimiter="/")
        return sorted(date.fromisoformat(folder.name.rstrip("/").rpartition("=")[2]) for folder in folders)

    def delete(self, path: str) -> Kept | None:
        """Delete a blob. Only an erasure does so, after a redacted batch has replaced it.

        Returns: None where the blob is gone, else the reason why it stays for now.
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            self._container.delete_blob(path)
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.FORBIDDEN:
                return Kept.FORBIDDEN
            if getattr(error, "error_code", None) == "BlobImmutableDueToPolicy":  # the storage client sets `error_code`
                return Kept.IMMUTABLE
            raise
        return None

    def manifests(self, feed: str, ingestion_date: date, names: Iterable[str] | None = None) -> list[Manifest]:
        """Return all manifests of the day in order of batch, including those that no longer count.

        Args:
            names: the full paths of the day's blobs, if the caller knows them.

        Raises: BadManifest where a manifest that counts cannot be read or contradicts another.
        """
        found = self.stored_manifests(feed, ingestion_date, names)
        check_consistency(batches_path(feed, ingestion_date) + "/", found)
        return found

    def stored_manifests(self, feed: str, ingestion_date: date, names: Iterable[str] | None = None) -> list[Manifest]:
        """Return the same manifests unchecked, for a repair. Raises: BadManifest where a name is not a batch id."""
        folder = batches_path(feed, ingestion_date) + "/"
        listed = self.names(folder) if names is None else sorted(name for name in names if name.startswith(folder))
        wanted = [name for name in listed if name.endswith(".json")]
        return [stored_manifest(name, self.read(name), feed, ingestion_date) for name in wanted]


def deliver(
    store: RawStore, feed: str, ingestion_date: date, batch_id: str, created_at: datetime, parts: Iterable[Part]
) -> Manifest:
    """Write a batch: its data files, then the manifest that makes them visible. Returns the manifest that counts.

    Each part is written before the next one is read, so only one part of an iterator is in memory.
    A delivery may be repeated or run twice at once: the first manifest written wins and later ones change nothing.

    Raises:
        FileExistsError: a data file of that name has other content. Name parts by their content if it may vary.
    """
    folder = day_path(feed, ingestion_date)
    files = []
    for part in parts:
        name = f"batch_{batch_id}{part.suffix}"
        if not store.create(f"{folder}/{name}", part.payload) and store.read(f"{folder}/{name}") != part.payload:
            raise FileExistsError(f"{folder}/{name} is in RAW with other content; RAW is never overwritten")
        digest = hashlib.sha256(part.payload).hexdigest()
        files.append(RawFile(name=name, bytes=len(part.payload), sha256=digest, records=part.records))
    manifest = Manifest(
        batch_id=batch_id, entity=feed, ingestion_date=ingestion_date, created_at=created_at, files=tuple(files)
    )
    return publish(store, manifest)


def publish(store: RawStore, manifest: Manifest) -> Manifest:
    """Write a manifest, which makes its files visible. Returns the manifest that counts: the first of its batch."""
    path = f"{batches_path(manifest.entity, manifest.ingestion_date)}/{manifest.batch_id}.json"
    if not store.create(path, manifest.model_dump_json(indent=1, exclude_none=True).encode()):
        return stored_manifest(path, store.read(path), manifest.entity, manifest.ingestion_date)
    return manifest


def supersede(store: RawStore, old: Manifest, files: Iterable[RawFile]) -> Manifest:
    """Write a manifest of these files that supersedes `old`. Returns the manifest that counts: the first that does so.

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
        stored = publish(store, wanted)
        if stored.supersedes == old.batch_id:
            return stored
    raise AssertionError("unreachable: ULIDs do not end")


def withdraw(store: RawStore, feed: str, ingestion_date: date, batch_id: str) -> Manifest:
    """Withdraw a batch by a manifest that supersedes it and names no files. Safe to repeat.

    The batch then counts as never delivered. Its files and its manifest stay; the manifest need not be readable.

    Returns: the manifest of the withdrawal.

    Raises: KeyError if the day does not contain the batch; BadManifest.
    """
    while True:
        live = counting_for(store.stored_manifests(feed, ingestion_date), batch_id)
        if live.is_withdrawal:
            return live
        supersede(store, live.model_copy(update={"created_at": datetime.now(UTC)}), ())


def ingested_batch_ids(feed: str, ingestion_date: date) -> Iterator[str]:
    """Yield the batch ids that the ingestion uses for a day of an API. It takes the next one after each withdrawal."""
    day_end = datetime.combine(ingestion_date + timedelta(days=1), datetime.min.time(), UTC)
    yield ulid(day_end, "ingest", feed)
    yield from (ulid(day_end, "ingest", feed, str(number)) for number in count(2))


def complete(store: RawStore, feed: str, ingestion_date: date) -> None:
    """Mark the day's delivery as complete. The sensors wait for this."""
    store.create(f"{day_path(feed, ingestion_date)}/{SUCCESS}", b"")


def is_complete(store: RawStore, feed: str, ingestion_date: date) -> bool:
    """Return whether the day's delivery is complete."""
    return store.exists(f"{day_path(feed, ingestion_date)}/{SUCCESS}")


def batch_ids(store: RawStore, feed: str, ingestion_date: date) -> set[str]:
    """Return the batches that have a manifest in the day's folder. Only the names of manifests are read."""
    names = store.names(batches_path(feed, ingestion_date) + "/")
    return {name.rpartition("/")[2].removesuffix(".json") for name in names}


def join_pages(pages: list[bytes]) -> bytes:
    """Return API pages as one JSON array, with the bytes of each page as received."""
    return b"[" + b",".join(pages) + b"]"
