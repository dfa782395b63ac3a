"""Advises what is safe to do now: a sentence, and the exact command if a command is better than a click."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from retailflow.environments import Environment, ServicePrincipal
from retailflow.raw import day_path
from retailflow_airflow.incident.model import Facts, Kind, ranges

_CLEAR = "Open the task in Airflow and press Clear, downstream tasks included; that is safe at any time"
_SENTENCES = {
    Kind.LATE_FEED: "Ask the source of the feed: its delivery is not complete. A task that waits goes on by itself "
    "when it is; one that has failed is safe to clear then.",
    Kind.WRONG_FORM: "Trigger the DAG again as the error says. Clearing this run would only repeat its form.",
    Kind.SOURCE_API: "The source's API refused, or broke off; the error says what it answered. Ask its owner, and "
    "clear the task when it answers again: an incomplete delivery does not count.",
    Kind.REFUSED: "Storage or Databricks refuses us, or was not found: nothing is wrong with the delivery. Check "
    "the connection that the error names, the expiry of its secret, its rights and the network. Then clear the tasks "
    "that have failed, downstream tasks included.",
    Kind.LOST_WORKER: f"Its process was killed or its worker lost, or somebody marked it as failed. {_CLEAR}.",
    Kind.DATA_TEST: "Readers see tables that do not keep a promise; the error says which. Find the feed and the date "
    "in the task's log and follow the runbook. Clearing this task only repeats the test.",
    Kind.DBT_MODEL: "GOLD is complete and published; only this mart stays behind. The task's log is dbt's log: fix "
    "the model, or the data if one of its tests failed, and then clear the task.",
    Kind.ERASURE: f"Nobody is half erased: the request stays open until finish has proved that it is done. {_CLEAR}; "
    "the erasure continues where it stopped.",
    Kind.BAD_BATCH: "Withdraw the batch that the error names (./retailflow withdraw), and have it delivered again as a "
    f"new one; nothing of it was read. {_CLEAR}.",
    Kind.DRIFT: "The feed no longer fits its contract. Agree with the source, or change the contract; then rebuild "
    "the day with this command.",
    Kind.QUALITY_GATE: "Readers keep the last good version: nothing is urgent for them. The statement shows "
    "what broke the audit, and in which feed; the table was rebuilt and still breaks it. When the source has corrected "
    "the data, clear bronze of that feed, downstream tasks included.",
    Kind.PLATFORM: "Databricks does not answer, or takes no work. Look at its status page and at the quota; when it is "
    "back, clear what has failed, downstream tasks included: that is safe at any time.",
    Kind.DATABRICKS_FAILURE: f"{_CLEAR}: the same RAW gives the same rows.",
    Kind.STUCK_RUN: f"Check whether the run is waiting for a slot or for Databricks. {_CLEAR}; its Databricks run is "
    "cancelled.",
    Kind.WRONG_NUMBERS: "Clear bronze and silver of the date, in that order, with their downstream tasks. If that does "
    "not help, rows were changed by hand: follow the runbook.",
    Kind.MISSING_DAYS: "Run these days with this command; days that have a successful run stay as they are. If the DAG "
    "is paused, unpause it. If a run of these days stays queued, mark it as failed first. If these days are never to "
    "be loaded, set schedule.first_date of the environment to a later date.",
}
_ONE_BY_ONE = " Airflow runs one backfill of a DAG at a time: give the next command when the one before has ended."


def advice(kind: Kind, facts: Facts, env: Environment) -> tuple[str, str]:
    """Return the advice as a sentence, and the command, which may be empty."""
    if not facts.is_open:
        return "Nothing to do.", ""
    if facts.days:
        commands = backfill(facts.dag_id, facts.days, env)
        return _SENTENCES[kind] + (_ONE_BY_ONE if len(commands) > 1 else ""), "\n".join(commands)
    if facts.run_id is None:
        sentence = (
            "Start the day yourself; a run that the clock starts later changes nothing. See that the DAG is not paused."
        )
        # The watch finds the run by its logical date, and Airflow refuses a second run with the same date.
        return (
            sentence,
            f"{_airflow(env)} dags trigger {facts.dag_id} --logical-date {facts.ingestion_date}T00:00:00+00:00",
        )
    return _SENTENCES[kind], _command(kind, facts, env)


def backfill(dag_id: str, days: Iterable[date], env: Environment) -> list[str]:
    """Return the commands that run these days, one for each range.

    `--reprocess-behavior failed` also reruns days whose run has failed; without it Airflow skips them silently. A
    cancelled backfill marks all runs that it had not started as failed.
    """
    options = "--max-active-runs 3 --reprocess-behavior failed"
    return [
        f"{_airflow(env)} backfill create --dag-id {dag_id} --from-date {first} --to-date {last}T23:59 {options}"
        for first, last in ranges(days)
    ]


def replay_outdated(days: Mapping[tuple[str, str], Collection[date]], env: Environment) -> str:
    """Return the command that reports the cost of rebuilding these dates with the present contract and code.

    Args:
        days: the outdated ingestion dates, by layer and feed.
    """
    every, feeds = {day for found in days.values() for day in found}, sorted({name for _, name in days})
    dates = {"date_from": str(min(every)), "date_to": str(max(every))}
    return _replay(env, selection="outdated", **dates, feeds=feeds, dry_run=True)


def _replay(env: Environment, **form: Any) -> str:
    return f"{_airflow(env)} dags trigger retailflow_replay --conf '{json.dumps(form)}'"


def _airflow(env: Environment) -> str:
    """Return the name of Airflow's command line. A laptop, where RAW has no service principal, uses our own command."""
    return "airflow" if isinstance(env.raw.credential, ServicePrincipal) else "./retailflow airflow"


def _command(kind: Kind, facts: Facts, env: Environment) -> str:
    if kind is Kind.QUALITY_GATE:
        return "SELECT * FROM ops.audits WHERE is_blocking ORDER BY audited_at DESC LIMIT 20"
    if facts.ingestion_date is None:
        return ""
    if kind is Kind.LATE_FEED and isinstance(env.raw.credential, ServicePrincipal):
        account = env.raw.credential.account_url.removeprefix("https://").partition(".")[0]
        where = f"--account-name {account} --container-name {env.raw.container} --auth-mode login"
        feed = (facts.task_id or facts.subject).rpartition(".")[2].removeprefix("ingest_")
        return f"az storage blob list {where} --prefix {day_path(feed, facts.ingestion_date)}/ --output table"
    if kind is Kind.DRIFT:
        day = str(facts.ingestion_date)
        return _replay(env, date_from=day, date_to=day, feeds=[facts.name], dry_run=False)
    return ""
