"""`./retailflow quarantine`: list and show quarantined records, and validate them again by the current contracts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from retailflow.contracts import feed_contract, feeds
from retailflow_local.airflow import AirflowClient, process_name
from retailflow_local.console import console, steps, visible
from retailflow_local.errors import WorkspaceError
from retailflow_local.options import calendar_date
from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

app = typer.Typer(help="Records that break their contract: list, show, retry.", no_args_is_help=True)
CATALOG = "spark_catalog"
DAG_ID = "retailflow_replay"
_LOOK_SECONDS = 3
_QUEUED_SECONDS = 30
_Feed = Annotated[str | None, typer.Option("--feed", help="Only this feed.")]


@dataclass(frozen=True)
class Quarantined:
    """The quarantined records of one feed: their count, and their first and last ingestion date."""

    feed: str
    count: int
    first: date
    last: date


@app.command("list")
def list_reasons(
    name: _Feed = None,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="Only this ingestion date.")] = None,
) -> None:
    """Count quarantined records by feed, ingestion date and reason. A record with two reasons counts under each."""
    names, when = _names(name), _between(day and calendar_date(day), day and calendar_date(day))
    with session(_running(Workspace()).spark_remote) as spark:
        quarantined = _quarantined(spark, names, when)
        counted = _reasons(spark, [one.feed for one in quarantined], when) if quarantined else []
    table = Table("feed", "date", "reason")
    table.add_column("records", justify="right")
    for row in counted:
        table.add_row(row.feed, str(row.ingestion_date), escape(row.reason), f"{row.records:,}")
    if counted:
        console.print(table)
    console.print(f"{sum(one.count for one in quarantined):,} records are in quarantine.")


@app.command()
def show(
    name: Annotated[str, typer.Option("--feed", help="The feed.")],
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The ingestion date.")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many records.")] = 20,
    raw: Annotated[bool, typer.Option("--raw", help="Show their text too. It may be personal data.")] = False,
) -> None:
    """Show quarantined records: file, position from 0, and reasons."""
    names, moment = _names(name), calendar_date(day)
    when = _between(moment, moment)
    with session(_running(Workspace()).spark_remote) as spark:
        quarantined = _quarantined(spark, names, when)
        text = "record" if raw else "NULL"
        each = f"SELECT _source_file, _position, reasons, {text} text FROM {CATALOG}.quarantine.{name} WHERE {when}"
        rows = spark.sql(f"{each} ORDER BY _source_file, _position LIMIT {limit}").collect() if quarantined else []
    for row in rows:
        console.print(f"[bold]{escape(visible(row._source_file))}[/bold] record {row._position}", soft_wrap=True)
        for line in (*row.reasons, *([row.text] if raw else ())):
            console.print(f"  {escape(visible(line))}", soft_wrap=True)
    total = sum(one.count for one in quarantined)
    console.print(f"{len(rows):,} of {total:,} records of {name} that are in quarantine on {day}.")


@app.command()
def retry(
    name: _Feed = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first ingestion date.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="The last ingestion date.")] = None,
) -> None:
    """Validate quarantined records again by the current contracts, and take the valid ones into SILVER and GOLD.

    Without options it covers all of them. Exit code 1 if the run fails.
    """
    names = _names(name)
    start, end = (text and calendar_date(text) for text in (first, last))
    if start and end and start > end:
        raise typer.BadParameter(f"--from {start} comes after --to {end}.")
    workspace, when = _running(Workspace(), process_name("api-server")), _between(start, end)
    with session(workspace.spark_remote) as spark:
        before = _quarantined(spark, names, when)
    if not before:
        console.print("Nothing there is in quarantine.")
        return
    conf = {
        "selection": "range" if name or first or last else "quarantined",
        "date_from": str(start or min(one.first for one in before)),
        "date_to": str(end or max(one.last for one in before)),
        "feeds": [one.feed for one in before],
        "layers": ["silver", "gold"],
        "dry_run": False,
    }
    is_success = _replay(workspace.airflow_client(), conf)
    with session(workspace.spark_remote) as spark:
        after = {one.feed: one.count for one in _quarantined(spark, names, when)}
    for one in before:
        left = after.get(one.feed, 0)
        console.print(f"{one.feed}: {one.count - left:,} healed, {left:,} still in quarantine")
    raise typer.Exit(0 if is_success else 1)


def _replay(client: AirflowClient, conf: dict) -> bool:
    """Run the DAG and wait for its end. Returns whether it succeeded."""
    client.wait_for_dag(DAG_ID, seconds=30)
    run_id = client.trigger(DAG_ID, datetime.now(UTC), conf)
    with steps() as on_step:
        on_step(f"{DAG_ID} {run_id}", "")
        began, is_told = time.monotonic(), False
        while (state := client.dag_run(DAG_ID, run_id)["state"]) not in ("success", "failed"):
            if state == "queued" and not is_told and time.monotonic() - began > _QUEUED_SECONDS:
                is_told = True
                on_step(
                    f"{DAG_ID} waits: it is paused, or another run of it is active. Ctrl-C leaves the run queued", ""
                )
            time.sleep(_LOOK_SECONDS)
    if state == "failed":
        console.print(f"[red]The run failed.[/red] Airflow shows its tasks: {DAG_ID}, {run_id}.")
    return state == "success"


def _names(name: str | None) -> list[str]:
    if name is None:
        return [contract.name for contract in feeds()]
    try:
        return [feed_contract(name).name]
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def _running(workspace: Workspace, *others: str) -> Workspace:
    for process in ("spark", *others):
        if not workspace.processes.find(process):
            raise WorkspaceError("The workspace does not run. Start it with ./retailflow up.")
    return workspace


def _between(first: date | None, last: date | None) -> str:
    return f"ingestion_date BETWEEN DATE '{first or date.min}' AND DATE '{last or date.max}'"


def _quarantined(spark: "SparkSession", names: Sequence[str], when: str) -> list[Quarantined]:
    """Return one item per feed with quarantined records. A feed that never ran has no quarantine table yet."""
    found = {row.tableName for row in spark.sql(f"SHOW TABLES IN {CATALOG}.quarantine").collect()}
    parts = _union([name for name in names if name in found], f"ingestion_date FROM {{table}} WHERE {when}")
    if not parts:
        return []
    totals = "SELECT feed, count(*), min(ingestion_date), max(ingestion_date)"
    return [Quarantined(*row) for row in spark.sql(f"{totals} FROM ({parts}) GROUP BY feed ORDER BY feed").collect()]


def _reasons(spark: "SparkSession", names: Sequence[str], when: str) -> list["Row"]:
    each = _union(names, f"ingestion_date, explode(reasons) reason FROM {{table}} WHERE {when}")
    query = f"SELECT feed, ingestion_date, reason, count(*) records FROM ({each}) GROUP BY ALL ORDER BY ALL"
    return spark.sql(query).collect()


def _union(names: Sequence[str], rest: str) -> str:
    """Return a SELECT of `feed` and the rest over these feeds' quarantine tables; empty if there are no names."""
    selects = (f"SELECT '{name}' feed, {rest.format(table=f'{CATALOG}.quarantine.{name}')}" for name in names)
    return " UNION ALL ".join(selects)
