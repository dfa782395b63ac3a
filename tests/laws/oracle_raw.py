"""Find the batches of RAW that count, and their files, only from the layout in the description of the feeds."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Store(Protocol):
    """Blobs by path; the oracle needs nothing else of RAW."""

    def names(self, prefix: str) -> list[str]: ...

    def read(self, path: str) -> bytes: ...


@dataclass(frozen=True)
class Batch:
    """A delivered batch that counts. `files` has the path of each file with its number of records."""

    ingestion_date: date
    batch_id: str
    created_at: datetime
    files: tuple[tuple[str, int], ...]


def dates(store: Store, feed: str) -> list[date]:
    """Return the ingestion dates of a feed that have a manifest, including manifests of withdrawals."""
    found = re.findall(rf"^{feed}/ingestion_date=(\S+?)/_batches/", "\n".join(store.names(f"{feed}/")), re.MULTILINE)
    return sorted({date.fromisoformat(text) for text in found})


def batches(store: Store, feed: str, day: date) -> list[Batch]:
    """Return the batches of a day that no other one replaces. A withdrawal replaces its batch and has no files."""
    folder = f"{feed}/ingestion_date={day}"
    manifests = [_manifest(store.read(name)) for name in store.names(f"{folder}/_batches/") if name.endswith(".json")]
    replaced = {manifest.get("supersedes") or manifest.get("redacts") for manifest in manifests}
    return [
        Batch(
            day,
            manifest["batch_id"],
            datetime.fromisoformat(manifest["created_at"]).astimezone(UTC),
            tuple((f"{folder}/{file['name']}", file["records"]) for file in manifest["files"]),
        )
        for manifest in manifests
        if manifest["batch_id"] not in replaced
    ]


def without_marks(content: bytes) -> bytes:
    """Return the content without byte order marks at its beginning."""
    while content.startswith(BYTE_ORDER_MARK):
        content = content[len(BYTE_ORDER_MARK) :]
    return content


def _manifest(content: bytes) -> dict[str, Any]:
    return json.loads(without_marks(content))
