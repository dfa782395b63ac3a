"""How an incident is mailed: one message, text and HTML, over the connection `smtp_default`."""

import hashlib
import logging
from email import policy
from email.message import EmailMessage
from email.utils import formatdate

from airflow.providers.smtp.hooks.smtp import SmtpHook
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from retailflow.environments import Environment
from retailflow_airflow import incident as cards
from retailflow_airflow.incident import Incident

_POLICY = policy.default.clone(max_line_length=200)  # a subject is one line
_log = logging.getLogger(__name__)


def send(incident: Incident, env: Environment, identity: str) -> None:
    """Mail the card to the environment's `alert_addresses`.

    The Message-ID is that of the identity. Sending and remembering that it was sent cannot be one act, so a message may
    go out twice when a worker dies between them; by its id a mailbox that drops doubles shows it once (docs/adr/0006).

    Raises:
        AirflowException: there is no connection `smtp_default`.
        OSError: the server does not answer, or refuses the message (smtplib's errors are OSErrors).
    """
    if not env.alert_addresses:
        _log.warning("No e-mail: alert_addresses of the environment %s is empty.", env.name)
        return
    _deliver(message(incident, env, identity))
    _log.info("E-mail to %s: %s", ", ".join(env.alert_addresses), cards.subject(incident))


def message(incident: Incident, env: Environment, identity: str) -> EmailMessage:
    """Without its sender.

    All messages of an ingestion date are one conversation in mail readers, and all of a cause that many runs share.
    """
    facts = incident.facts
    made = EmailMessage(_POLICY)
    made["Subject"] = cards.subject(incident)
    made["To"] = ", ".join(env.alert_addresses)
    made["Date"] = formatdate()
    made["Message-ID"] = _message_id(env, identity)
    made["References"] = _message_id(env, facts.cause or f"{facts.dag_id} {facts.ingestion_date or facts.run_id}")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(cards.text(incident))
    made.add_alternative(cards.html(incident), subtype="html")
    return made


def _message_id(env: Environment, identity: str) -> str:
    return f"<{hashlib.sha256(identity.encode()).hexdigest()[:32]}@{env.name}.retailflow>"


@retry(retry=retry_if_exception_type(OSError), stop=stop_after_attempt(3), wait=wait_exponential(2), reraise=True)
def _deliver(made: EmailMessage) -> None:
    """A server that is busy for a moment must not cost a failed task its only mail."""
    with _Hook() as hook:
        hook.deliver(made)


class _Hook(SmtpHook):
    """The provider's own sending makes no message of two forms, and sends again what may already have gone out."""

    def deliver(self, made: EmailMessage) -> None:
        del made["From"]  # of a try before
        made["From"] = self.from_email or made["To"].partition(",")[0]
        self._smtp_client.send_message(made)
