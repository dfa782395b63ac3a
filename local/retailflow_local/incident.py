"""`./retailflow incident`: show the e-mail's card for a task of `retailflow_daily` in the terminal."""

import os
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

import typer

from retailflow.contracts import feeds, gold_tables
from retailflow.dates import ingestion_date_of
from retailflow.environments import load_environment
from retailflow_local.airflow import AirflowClient, process_name
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError
from retailflow_local.options import calendar_date
from retailflow_local.workspace import Workspace

DAG_ID = "retailflow_daily"
_LAYERS = ("raw", "bronze", "silver")


def incident(
    table: Annotated[str | None, typer.Argument(metavar="[LAYER.FEED]", help="For example silver.orders.")] = None,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="The ingestion date.")] = None,
) -> None:
    """Show what failed and what is safe to do now: the card of each failed task, or of one task in any state.

    The default date is that of the newest run. Exit code 1 if something has failed.
    """
    names = [f"{layer}.{one.name}" for layer in _LAYERS for one in feeds()]
    names += [*(one.table.name for one in gold_tables()), "gold.publish"]
    if table not in (None, *names):
        raise typer.BadParameter(f"{table!r} is not one of {', '.join(names)}.")
    workspace, wanted = Workspace(), day and calendar_date(day)
    if not workspace.processes.find(process_name("api-server")):
        raise WorkspaceError("Airflow does not run. Start the workspace with ./retailflow up.")
    client = workspace.airflow_client()
    run = _run(client, wanted)
    found = client.task_instances(DAG_ID, run["dag_run_id"])
    chosen = [one for one in found if (one["task_id"] == table if table else one["state"] == "failed")]
    for one in chosen:
        print(_card(workspace, client, run, one, found), end="\n\n")
    if not chosen:
        console.print(f"Nothing has failed in {DAG_ID} of {_day(run)} ({run['dag_run_id']}, {run['state']}).")
    raise typer.Exit(1 if any(one["state"] == "failed" for one in chosen) else 0)


def _run(client: AirflowClient, day: date | None) -> dict[str, Any]:
    """Return the newest run, for the ingestion date if one is given. Raises: WorkspaceError if there is none."""
    for run in client.newest_runs(DAG_ID):
        if day in (None, _day(run)):
            return run
    what = f"no run for {day} among its newest" if day else "no run yet"
    raise WorkspaceError(f"{DAG_ID} has {what}. Trigger it in Airflow with that ingestion_date.")


def _day(run: dict[str, Any]) -> date:
    logical_date, run_after = (
        run[name] and datetime.fromisoformat(run[name]) for name in ("logical_date", "run_after")
    )
    return ingestion_date_of((run["conf"] or {}).get("ingestion_date"), logical_date, run_after)


def _card(
    workspace: Workspace, client: AirflowClient, run: dict[str, Any], ti: dict[str, Any], all_: list[dict[str, Any]]
) -> str:
    os.environ.update(workspace.settings())  # the connections, which Airflow reads at its import
    from retailflow_airflow.incident import Event, RunLog, collect, facts_of, text
    from retailflow_airflow.warehouse import Warehouse

    def note(task_id: str) -> dict[str, Any]:
        return client.xcom(DAG_ID, run["dag_run_id"], task_id, "incident") or {}

    event = Event.FAILED if ti["state"] == "failed" else Event.SHOWN
    subject, states = ti["task_id"].replace("raw.ingest_", "raw."), {one["task_id"]: one["state"] for one in all_}
    facts = facts_of(event, subject, _day(run), run["dag_run_id"], states, note)
    if not facts.databricks_url:
        url = client.xcom(DAG_ID, run["dag_run_id"], facts.task_id, "run_page_url")
        facts = replace(facts, databricks_url=url)
    env = load_environment("local")
    return text(collect(facts, env, RunLog(Warehouse(env))))
