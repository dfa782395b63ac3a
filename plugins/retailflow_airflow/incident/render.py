"""Renders the card as subject, text and HTML, without external assets; it is legible in light and dark mode."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from retailflow_airflow.incident.model import Event, Incident, listed

_TEMPLATES = Environment(
    loader=PackageLoader(__package__),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["number"] = lambda value: "no run" if value is None else f"{value:,}"
_TEMPLATES.filters["listed"] = listed
_TEMPLATES.filters["moment"] = lambda value: f"{value:%Y-%m-%d %H:%M} UTC" if value else "never"


def subject(incident: Incident) -> str:
    """Return a subject like `[retailflow prod] MISSED silver.orders 2026-01-15, due 04:00 UTC (and 2 more)`."""
    facts = incident.facts
    when = f" {facts.when}" if facts.when else ""
    due = f", due {facts.deadline:%H:%M} UTC" if facts.event is Event.MISSED and facts.deadline else ""
    more = f" (and {len(facts.also)} more)" if facts.also else ""
    return f"[retailflow {incident.environment}] {facts.event.upper()} {facts.subject}{when}{due}{more}"


def html(incident: Incident) -> str:
    return _TEMPLATES.get_template("card.html.j2").render(_view(incident))


def text(incident: Incident) -> str:
    return _TEMPLATES.get_template("card.txt.j2").render(_view(incident))


def _view(incident: Incident) -> dict[str, Any]:
    return {"card": incident, "facts": incident.facts, "subject": subject(incident)}
