"""What is safe to do now: a sentence, and the exact command where one serves better than a click."""

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
    Kind.WRONG_FORM: "Trigger the DAG again as the error says. To clear this run would only repeat its form.",
    Kind.SOURCE_API: "The source's API refused, or broke off; the error says what it answered. Ask its owner, and "
    "clear the task when it answers again: what was fetched until then counts for nothing.",
    Kind.REFUSED: "Storage or Databricks refuses us, or was not found: nothing is wrong with the delivery. Look at "
    "the connection that the error names, at the expiry of its secret, at its rights and at the network. Then clear "
    "what has failed, downstream tasks included.",
    Kind.LOST_WORKER: f"Its process was killed or its worker lost, or somebody marked it as failed. {_CLEAR}.",
    Kind.DATA_TEST: "Readers see tables that do not keep a promise; the error says which. Find the feed and the date "
    "in the task's log and follow the runbook. To clear this task only asks again.",
    Kind.DBT_MODEL: "GOLD is whole and published; only this mart stays behind. The task's log is dbt's: mend the "
    "model, or the data where a test of it failed, and clear the task then.",
    Kind.ERASURE: f"Nobody is half erased: the request stays open until finish has proved that it is done. {_CLEAR}; "
    "the erasure goes on where it was.",
    Kind.BAD_BATCH: "Withdraw the batch that the error names (./retailflow withdraw), and have it delivered again as a "
    f"new one; nothing of it was read. {_CLEAR}.",
    Kind.DRIFT: "The feed no longer fits its contract. Agree with the source, or change the contract; then rebuild "
    "the day with this command.",
    Kind.QUALITY_GATE: "Readers keep the last good version: nothing is urgent for them. The statement says "
    "what broke the audit, and of which feed; the table was built anew and breaks it still. When the source has mended "
    "it, clear bronze of that feed, downstream tasks included.",
    Kind.PLATFORM: "Databricks does not answer, or takes no work. Look at its status page and at the quota; when it is "
    "back, clear what has failed, downstream tasks included: that is safe at any time.",
    Kind.DATABRICKS_FAILURE: f"{_CLEAR}: the same RAW gives the same rows.",
    Kind.STUCK_RUN: f"Look whether the run is waiting for a slot or for Databricks. {_CLEAR}; its Databricks run is "
    "cancelled.",
    Kind.WRONG_NUMBERS: "Clear bronze and silver of the date, in that order, with their downstream tasks. If it stays "
    "so, rows were changed by hand: follow the runbook.",
    Kind.MISSING_DAYS: "Run these days with this command; days that have a successful run stay as they are. If the DAG "
    "is paused, unpause it. If a run of these days stays queued, mark it as failed first. If these days are never to "
    "be loaded, set schedule.first_date of the environment to a later date.",
}
_ONE_BY_ONE = " Airflow runs one backfill of a DAG at a time: give the next command when the one before has ended."


def advice(kind: Kind, facts: Facts, env: Environment) -> tuple[str, str]:
    """The sentence and the command, which may be empty."""
    if not facts.is_open:
        return "Nothing is to be done.", ""
    if facts.days:
        commands = backfill(facts.dag_id, facts.days, env)
        return _SENTENCES[kind] + (_ONE_BY_ONE if len(commands) > 1 else ""), "\n".join(commands)
    if facts.run_id is None:
        sentence = (
            "Start the day yourself; a run that the clock starts later changes nothing. See that the DAG is not paused."
        )
        # By its logical date the watch knows the run, and Airflow refuses a second one.
        return (
            sentence,
            f"{_airflow(env)} dags trigger {facts.dag_id} --logical-date {facts.ingestion_date}T00:00:00+00:00",
        )
    return _SENTENCES[kind], _command(kind, facts, env)


def backfill(dag_id: str, days: Iterable[date], env: Environment) -> list[str]:
    """The commands that run these days, one for each range.

    `failed` runs those again whose run failed, which a cancelled backfill makes of all that it had not started; without
    it Airflow leaves them out and says nothing.
    """
    options = "--max-active-runs 3 --reprocess-behavior failed"
    return [
        f"{_airflow(env)} backfill create --dag-id {dag_id} --from-date {first} --to-date {last}T23:59 {options}"
        for first, last in ranges(days)
    ]


def replay_outdated(days: Mapping[tuple[str, str], Collection[date]], env: Environment) -> str:
    """The command that says what it costs to build these dates, by layer and feed, with today's contract and code."""
    every, feeds = {day for found in days.values() for day in found}, sorted({name for _, name in days})
    dates = {"date_from": str(min(every)), "date_to": str(max(every))}
    return _replay(env, selection="outdated", **dates, entities=feeds, dry_run=True)


def _replay(env: Environment, **form: Any) -> str:
    return f"{_airflow(env)} dags trigger retailflow_replay --conf '{json.dumps(form)}'"


def _airflow(env: Environment) -> str:
    """How Airflow's command line is called: on a laptop, where RAW has no service principal, by our own command."""
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
        return _replay(env, date_from=day, date_to=day, entities=[facts.name], dry_run=False)
    return ""
