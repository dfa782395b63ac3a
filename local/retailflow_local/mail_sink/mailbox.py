"""The store of the sink: one file per message, as received, in the order of arrival."""

import threading
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path


class Mailbox:
    """Files `000001.eml`, `000002.eml`, … in a folder; the numbers name the messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, content: bytes) -> int:
        """Store a message, completely or not at all. Returns its number."""
        with self._lock:
            number = max(self.numbers(), default=0) + 1
            fresh = self._path(number).with_suffix(".fresh")
            fresh.write_bytes(content)
            fresh.replace(self._path(number))
            return number

    def numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.eml"))

    def message(self, number: int) -> EmailMessage:
        """Return a message. Raises: KeyError if there is none with that number."""
        try:
            return BytesParser(policy=policy.default).parsebytes(self._path(number).read_bytes())
        except FileNotFoundError:
            raise KeyError(number) from None

    def received(self, number: int) -> datetime:
        return datetime.fromtimestamp(self._path(number).stat().st_mtime, UTC)

    def messages(self) -> list[EmailMessage]:
        return [self.message(number) for number in self.numbers()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.eml"


def body(message: EmailMessage, kind: str) -> str:
    """Return the `html` or `plain` text of a message, with Unix line ends; empty if it has none."""
    part = message.get_body((kind,))
    return part.get_content().replace("\r\n", "\n") if part else ""
