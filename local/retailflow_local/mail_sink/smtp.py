"""The SMTP side of the sink."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from retailflow_local.mail_sink.mailbox import Mailbox


class _Keep:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        number = self._mailbox.add(envelope.original_content)
        return f"250 OK, message {number}"


@contextmanager
def serving(mailbox: Mailbox, host: str, port: int) -> Iterator[None]:
    """Run a server for the block that stores every message."""
    controller = Controller(_Keep(mailbox), hostname=host, port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()
