"""Builds the whole card from the facts that Airflow knows and the data of the run log."""

import logging
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from airflow.sdk.configuration import conf

from retailflow.contracts import FeedContract, GoldContract, built_from, feeds, gold_tables
from retailflow.environments import Environment
from retailflow_airflow.incident.advice import advice
from retailflow_airflow.incident.errors import first_line, kind_of
from retailflow_airflow.incident.model import Downstream, Event, Facts, Incident, describe
from retailflow_airflow.incident.run_log import RunLog, changes, counts

_log = logging.getLogger(__name__)
_TEAM = "data-engineering"
# The text of retailflow_spark.publish.audits.Finding.
_BLOCKED = re.compile(r"(gold\.\w+): [^()]+ \([\d,]+ rows, audit \w+\)")


def collect(facts: Facts, env: Environment, run_log: RunLog | None) -> Incident:
    """Return the card. If the run log does not answer, the card still comes and names the unknown parts."""
    contract = _contract(facts.name)
    kind = kind_of(facts)
    action, command = advice(kind, facts, env)
    found, unknown = _ask(facts, contract, run_log)
    return Incident(
        facts=facts,
        environment=env.name,
        owner=contract.owner if contract else _TEAM,
        kind=kind,
        error=_error(facts),
        action=action,
        command=command,
        airflow_url=_airflow_url(facts),
        runbook_url=f"{env.docs_url or 'docs'}/{kind.runbook}",
        unknown=unknown,
        **found,
    )


def downstream_names(facts: Facts) -> list[str]:
    """Return the tables that are built from the subject, directly or not: SILVER of a feed first, then GOLD.

    A publication has no table of its own: its list starts with the tables that it blocked, followed by the tables
    built from them.
    """
    if blocked := _BLOCKED.findall(facts.error):
        return [*blocked, *(table.table.name for table in built_from(blocked) if table.table.name not in blocked)]
    contract = _contract(facts.name)
    if contract is None:
        return []
    names = {table.name for table in contract.tables}
    own = [f"silver.{facts.name}"] if facts.layer in ("raw", "bronze") else []
    return own + [table.table.name for table in built_from(names) if table.name != facts.name]


def _ask(facts: Facts, contract, run_log: RunLog | None) -> tuple[dict, str]:
    """Return the parts of the card that the run log knows, and a sentence that names the unknown parts."""
    names = downstream_names(facts)
    if contract is None and not names:
        return {}, ""
    found: dict[str, Any] = {"downstream": tuple(Downstream(name) for name in names)}
    if run_log is None:
        return found, "The run log was not asked: rows, changes and what readers have are unknown."
    day = facts.ingestion_date or datetime.now(UTC).date()
    try:
        runs = run_log.runs(facts.name, day)
        found["counts"], found["changes"] = counts(runs, day), changes(runs)
        found["downstream"] = run_log.downstream(names, day)
    except Exception as error:  # whatever the error is, the mail must be sent
        _log.warning("The SQL warehouse did not answer: %s", error)
        missing = "what readers have is" if "counts" in found else "rows, changes and what readers have are"
        return found, f"The SQL warehouse did not answer, so {missing} unknown: {first_line(str(error))}"
    return found, ""


def _error(facts: Facts) -> str:
    if facts.error:
        return first_line(facts.error)
    if not facts.is_open:
        return ""
    if facts.days:
        return f"{describe(facts.days)}."
    if facts.run_id is None:
        return f"{facts.dag_id} has no run for {facts.ingestion_date}."
    if facts.event is not Event.FAILED:
        waits = "" if facts.task_id == facts.subject else f"{facts.subject} waits for "
        return f"{waits}{facts.task_id}{', which' if waits else ''} is {facts.state or 'not started'}."
    return "Airflow gave no error: the worker was lost, or somebody marked the task failed."


def _contract(name: str) -> FeedContract | GoldContract | None:
    return next((one for one in (*feeds(), *gold_tables()) if one.name == name), None)


def _airflow_url(facts: Facts) -> str:
    """Return the address of the task instance, or of the DAG if there is no run."""
    url = f"{conf.get('api', 'base_url', fallback='http://localhost:8080').rstrip('/')}/dags/{facts.dag_id}"
    if facts.run_id is None or facts.task_id is None:
        return url
    mapped = f"/mapped/{facts.map_index}" if facts.map_index >= 0 else ""
    return f"{url}/runs/{quote(facts.run_id)}/tasks/{facts.task_id}{mapped}"
