"""RAW in a dictionary, for tests that need no Blob emulator. Azurite itself: tests/integration."""

from retailflow.raw import RawStore


class MemoryStore(RawStore):
    """Created once, never overwritten."""

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

    def delete(self, path: str) -> bool:
        self.blobs.pop(path, None)
        return True
