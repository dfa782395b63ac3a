"""RAW in a dictionary, for tests that need no Blob emulator. tests/integration uses Azurite itself."""

from datetime import UTC, date, datetime
from hashlib import sha256

from retailflow.raw import RawStore


class MemoryStore(RawStore):
    """A RAW store in memory that never overwrites a blob."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def create(self, path: str, payload: bytes) -> bool:
        return self.blobs.setdefault(path, payload) is payload

    def read(self, path: str) -> bytes:
        return self.blobs[path]

    def exists(self, path: str) -> bool:
        return path in self.blobs

    def names(self, prefix: str) -> list[str]:
        return sorted(path for path in self.blobs if path.startswith(prefix))

    def tags(self, prefix: str) -> dict[str, str]:
        return {path: sha256(self.blobs[path]).hexdigest() for path in self.names(prefix)}

    def modified(self, prefix: str) -> dict[str, datetime]:
        return dict.fromkeys(self.names(prefix), datetime(2000, 1, 1, tzinfo=UTC))

    def dates(self, feed: str) -> list[date]:
        folders = {path.split("/")[1] for path in self.names(f"{feed}/")}
        return sorted(date.fromisoformat(folder.removeprefix("ingestion_date=")) for folder in folders)

    def delete(self, path: str) -> None:
        self.blobs.pop(path, None)
