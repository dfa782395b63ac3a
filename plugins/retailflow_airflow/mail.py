"""Mails an incident as one message, text and HTML, through the connection `smtp_default`."""

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

    The Message-ID is a hash of `identity`. Sending a message and recording that it was sent cannot be atomic, so a
    message may be sent twice if a worker dies in between. Both have the same id, so mail systems that deduplicate show
    it once (docs/adr/0006).

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
    """Return the message, without its sender.

    Mail readers show all messages of an ingestion date as one conversation, and all messages of a shared cause.
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
    """Send the message, with retries: a failed task must not lose its only mail because the server is busy."""
    with _Hook() as hook:
        hook.deliver(made)


class _Hook(SmtpHook):
    """The provider's own method sends no message with text and HTML, and may send a message again."""

    def deliver(self, made: EmailMessage) -> None:
        del made["From"]  # from an earlier try
        made["From"] = self.from_email or made["To"].partition(",")[0]
        self._smtp_client.send_message(made)
