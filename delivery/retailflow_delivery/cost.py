"""`./retailflow cost`: estimate the compute of a backfill from earlier runs in the run log.

The estimate multiplies the seconds of each task's latest runs by the days: the median as the usual case, the ninth
decile as a bad day. `ops.task_attempts` has no time spent waiting for compute and no failed attempts. It also lacks
the ingestion from APIs and dbt, which need none of our Spark clusters.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from retailflow.compute import Serverless
from retailflow.contracts import feeds, gold_tables
from retailflow.environments import Environment, load_environment
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError
from retailflow_local.options import calendar_date
from retailflow_local.workspace import Workspace

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_RUNS = 30  # one month, so that times from before a change of the code drop out
_STATEMENT = f"""
SELECT layer, name, percentile(seconds, 0.5) AS usual, percentile(seconds, 0.9) AS slow
FROM (SELECT *, row_number() OVER (PARTITION BY layer, name ORDER BY started_at DESC) AS age FROM ops.task_attempts)
WHERE age <= {_RUNS} GROUP BY layer, name
"""
TASKS = tuple((layer, one.name) for layer in ("bronze", "silver") for one in feeds()) + tuple(
    ("gold", one.name) for one in gold_tables()
)


@dataclass(frozen=True)
class Pace:
    """How many seconds one run of a task takes, usually and on a bad day."""

    usual: float
    slow: float


def cost(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="The first ingestion date.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="The last ingestion date.")],
    env: Annotated[str, typer.Option(metavar="ENVIRONMENT", help="Whose run log and compute.")] = "local",
    dbu_per_hour: Annotated[
        float | None, typer.Option(min=0, help="DBU per hour of a run, for all its machines.")
    ] = None,
    price_per_dbu: Annotated[float | None, typer.Option(min=0, help="Databricks' list price.")] = None,
    price_per_machine_hour: Annotated[
        float, typer.Option(min=0, help="Azure's list price of a machine; none for serverless.")
    ] = 0,
) -> None:
    """Estimate the compute of a backfill before it runs, from the seconds of earlier runs."""
    days = (calendar_date(last) - calendar_date(first)).days + 1
    if days < 1:
        raise typer.BadParameter(f"{last} is before {first}.")
    environment = load_environment(env)
    paces = known_paces(client_of(environment), environment)
    if not paces:
        raise WorkspaceError(f"ops.task_attempts of {env} knows no run yet. Run a day first; a backfill is like it.")
    hours = [days * sum(getattr(pace, which) for pace in paces.values()) / 3600 for which in ("usual", "slow")]
    console.print(_table(paces, days))
    if unknown := [f"{layer}.{name}" for layer, name in TASKS if (layer, name) not in paces]:
        console.print(f"Never run, and not counted: {', '.join(unknown)}.")
    compute = environment.compute
    machines = 0 if isinstance(compute, Serverless) else compute.workers + 1
    console.print(f"{days * len(paces):,} runs on {compute.profile} compute: {_span(hours)} hours.")
    if dbu_per_hour is not None and price_per_dbu is not None:
        hourly = dbu_per_hour * price_per_dbu + machines * price_per_machine_hour
        formula = f"{dbu_per_hour:g} DBU x {price_per_dbu:g} + {machines} machines x {price_per_machine_hour:g}"
        console.print(f"At {formula} an hour: {_span([hour * hourly for hour in hours])}.")
    else:
        console.print("Add --dbu-per-hour and --price-per-dbu to see the price.")


def known_paces(client: "WorkspaceClient", env: Environment) -> dict[tuple[str, str], Pace]:
    """Return the pace of each task of a day by layer and name; seconds. Raises: WorkspaceError without an answer."""
    rows = ask(client, env, _STATEMENT)
    found = {(layer, name): Pace(float(usual), float(slow)) for layer, name, usual, slow in rows}
    return {task: found[task] for task in TASKS if task in found}


def ask(client: "WorkspaceClient", env: Environment, statement: str) -> list[list[str]]:
    """Return the rows of a query on the environment's SQL warehouse. Raises: WorkspaceError if it does not answer."""
    answer = client.statement_execution.execute_statement(
        statement, env.warehouse_id, catalog=env.catalog, wait_timeout="50s"
    )
    if not (answer.result and answer.manifest):
        error = answer.status and answer.status.error
        said = error.message if error else "it has not answered within 50 s; ask again"
        raise WorkspaceError(f"The SQL warehouse {env.warehouse_id}: {said}")
    return answer.result.data_array or []


def client_of(env: Environment) -> "WorkspaceClient":
    if env.name != "local":
        from retailflow_delivery.cloud import connect

        return connect(env).workspace
    workspace = Workspace()
    workspace.require_spark()
    return local_client(workspace)


def local_client(workspace: Workspace) -> "WorkspaceClient":
    """Return Databricks' own client, connected to the local workspace's API."""
    from databricks.sdk import WorkspaceClient

    logging.getLogger("databricks").setLevel(logging.ERROR)  # it warns that no host metadata is served
    return WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token)


def _table(found: dict[tuple[str, str], Pace], days: int) -> Table:
    table = Table("layer")
    for heading in ("tasks", "seconds a day", "on a bad day", "hours"):
        table.add_column(heading, justify="right")
    for layer in dict.fromkeys(layer for layer, _ in found):
        own = [pace for (other, _), pace in found.items() if other == layer]
        usual, slow = sum(pace.usual for pace in own), sum(pace.slow for pace in own)
        hours = _span([days * usual / 3600, days * slow / 3600])
        table.add_row(layer, str(len(own)), f"{usual:,.0f}", f"{slow:,.0f}", hours)
    return table


def _span(values: list[float]) -> str:
    return " to ".join(f"{value:,.2f}" for value in values)
