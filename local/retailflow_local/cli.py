"""The command line behind ./retailflow. Errors are sentences, and the exit code says whether a command succeeded."""

import os
import shlex
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal

import psutil
import truststore
import typer
from rich.markup import escape
from rich.table import Table

from retailflow.environments import SettingsError
from retailflow_local import airflow as local_airflow
from retailflow_local import releases
from retailflow_local.console import console, errors, steps
from retailflow_local.errors import WorkspaceError
from retailflow_local.incident import incident
from retailflow_local.lakeflow import lakeflow
from retailflow_local.options import calendar_date
from retailflow_local.quarantine import app as quarantine
from retailflow_local.state import PREFERRED_PORTS, Simulation
from retailflow_local.workspace import PROCESSES, REPOSITORY, TITLES, Workspace

app = typer.Typer(
    help="RetailFlow on this machine: real Airflow, Spark, Delta and a Blob emulator.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RUN, LOOK = "Run", "Look"  # groups of the commands; delivery has two more
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@app.command(rich_help_panel=RUN)
def up(
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE=PORT", help=f"A port of your own, for {', '.join(PREFERRED_PORTS)}. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the simulated world.")] = None,
    scale: Annotated[float | None, typer.Option(help="Size of the world; 1 is 2,000 orders a day.")] = None,
    trouble: Annotated[Literal["some", "none"] | None, typer.Option(help="Bad, late and repeated records.")] = None,
    postgres: Annotated[
        bool | None, typer.Option("--postgres/--sqlite", help="Airflow's own database; the last choice stays.")
    ] = None,
) -> None:
    """Start the whole workspace. Ctrl-C stops what it started."""
    workspace = Workspace()
    wishes = {"seed": seed, "scale": scale, "trouble": trouble}
    simulation = replace(workspace.simulation, **{name: wish for name, wish in wishes.items() if wish is not None})
    database = None if postgres is None else "postgres" if postgres else "sqlite"
    with steps() as on_step:
        workspace.start(ports=_ports(port or []), simulation=simulation, database=database, on_step=on_step)
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "Airflow", f"{workspace.airflow_url}  user {local_airflow.USER}, password {workspace.airflow_password}"
    )
    table.add_row("Jobs API", workspace.jobs_url)
    table.add_row("Sources", workspace.sources_url)
    table.add_row("Mail", workspace.mail_url)
    table.add_row("Spark", workspace.spark_address)
    console.print(table)
    console.print("Next: ./retailflow deliver 2026-01-15")
    console.print("      ./retailflow airflow dags test retailflow_daily 2026-01-15")
    console.print("Stop: ./retailflow down")


@app.command(rich_help_panel=RUN)
def deploy(
    version: Annotated[
        str | None, typer.Argument(help="An existing release; by default, that of this checkout.")
    ] = None,
) -> None:
    """Make new DAG runs use a release of the jobs: this checkout's, or an older one. Active runs keep their release."""
    release = releases.deploy(Workspace().root, version)
    console.print(f"New runs take the release {release.version}, which a running Airflow sees within 30 s.")


@app.command(rich_help_panel=RUN)
def demo(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="The first ingestion date.")] = "2026-01-15",
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 1,
    scale: Annotated[float, typer.Option(min=0.001, help="Size of the world; 1 is 2,000 orders a day.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 7,
    source: Annotated[
        Path | None, typer.Option(help="A public data set instead: the folder adventureworks_sales.")
    ] = None,
) -> None:
    """Run whole days from the source systems to GOLD and show the result."""
    from retailflow_local.demo import Demo

    is_right = Demo(calendar_date(first), days, Simulation(seed, scale), source).run(Workspace())
    raise typer.Exit(0 if is_right else 1)


@app.command(rich_help_panel=LOOK)
def sql(
    query: Annotated[str, typer.Argument(help='For example "SELECT * FROM gold.daily_revenue_mart".')],
    output: Annotated[Path | None, typer.Option(help="A file that ends in .csv or .parquet.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of a table.")] = False,
) -> None:
    """Query any table of the local lakehouse. Only queries are allowed."""
    from retailflow_local.sql import run

    run(Workspace(), query, output, as_csv=as_csv)


@app.command(rich_help_panel=LOOK)
def report() -> None:
    """Build the marts and write the report of the local lakehouse: one HTML file that opens without a network."""
    from retailflow_local.analytics import run

    with steps() as on_step:
        path = run(Workspace(), on_step)
    console.print(f"Wrote {path}.", soft_wrap=True)


@app.command(rich_help_panel=LOOK)
def docs() -> None:
    """Write a site with the meaning and the sources of every table and column. It opens without a network."""
    from retailflow_local.dictionary import run

    with steps() as on_step:
        path = run(Workspace(), on_step)
    console.print(f"Wrote {path}.", soft_wrap=True)


@app.command(rich_help_panel=RUN)
def drill() -> None:
    """Break things in fourteen ways and repair each as its e-mail says. Takes some 40 minutes, in its own workspace."""
    from retailflow_local.drill import run
    from retailflow_local.drill_cases import CASES
    from retailflow_local.drill_outages import OUTAGES

    raise typer.Exit(0 if run(Workspace().root / "drill", (*CASES, *OUTAGES)) else 1)


@app.command("run", hidden=True)
def run_process(name: Annotated[str, typer.Argument(help=f"One of {', '.join(PROCESSES)}.")]) -> None:
    """Replace this process with one of the workspace, as a container of docker-compose.yaml does."""
    Workspace().become(_known(name))


@app.command("healthy", hidden=True)
def is_healthy(name: Annotated[str, typer.Argument(help=f"One of {', '.join(PROCESSES)}.")]) -> None:
    """Check a process of this container. Exit code 0 if it is healthy, else 1."""
    workspace = Workspace()
    raise typer.Exit(0 if workspace.processes.is_healthy(workspace.health(_known(name))) else 1)


@app.command("furnish", hidden=True)
def furnish() -> None:
    """Create the container, the schemas and Airflow's database and users, once the containers have started."""
    with steps() as on_step:
        Workspace().furnish(on_step)


def _known(name: str) -> str:
    if name not in PROCESSES:
        raise typer.BadParameter(f"{name}: there are {', '.join(PROCESSES)}.")
    return name


@app.command(rich_help_panel=RUN)
def down() -> None:
    """Stop every process of the workspace. Data stays in .local/."""
    with steps() as on_step:
        on_step("Stopping the workspace", "")
        stopped = Workspace().stop()
    if not stopped:
        console.print("Nothing was running.")


@app.command(rich_help_panel=RUN)
def status() -> None:
    """Show every process. Exit code 0 if all are healthy, else 1."""
    workspace = Workspace()
    table = Table("Process", "PID", "Port", "Health", "MiB")
    total, is_whole = 0, True
    for name in workspace.names:
        process = workspace.processes.find(name)
        if process is None:
            table.add_row(TITLES[name], "", "", "[red]stopped[/red]", "")
            is_whole = False
            continue
        health = workspace.health(name)
        is_healthy = workspace.processes.is_healthy(health)
        memory = sum(map(_memory_mib, workspace.processes.members([name])))
        word = (
            "[green]healthy[/green]" if is_healthy else f"[red]not healthy[/red], see {workspace.processes.log(name)}"
        )
        table.add_row(TITLES[name], str(process.pid), str(health.port or ""), word, str(memory))
        total, is_whole = total + memory, is_whole and is_healthy
    table.add_row("Total", "", "", "", str(total))
    console.print(table)
    raise typer.Exit(0 if is_whole else 1)


@app.command(rich_help_panel=RUN)
def deliver(
    day: Annotated[str, typer.Argument(metavar="DATE", help="The ingestion date, as YYYY-MM-DD.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days, from DATE on.")] = 1,
    feed: Annotated[list[str] | None, typer.Option(help="Only this file feed. Repeatable.")] = None,
    late: Annotated[bool, typer.Option("--late", help="Deliver a second batch, after _SUCCESS.")] = False,
) -> None:
    """Deliver the simulated file feeds of a day to RAW. The DAG fetches orders and customers from their APIs."""
    from retailflow_local.simulator.files import FILE_FEEDS, deliver_day, deliver_late
    from retailflow_local.simulator.trouble import Trouble
    from retailflow_local.simulator.world import World

    first, feeds = calendar_date(day), feed or list(FILE_FEEDS)
    if unknown := sorted(set(feeds) - set(FILE_FEEDS)):
        raise typer.BadParameter(f"{', '.join(unknown)}: no file feed; there are {', '.join(FILE_FEEDS)}.")
    workspace = Workspace()
    if not workspace.processes.find("azurite"):
        raise WorkspaceError("The Blob emulator does not run. Start the workspace with ./retailflow up.")
    store, simulation = workspace.raw_store(), workspace.simulation
    world = World(simulation.seed, simulation.scale)
    trouble = Trouble.some() if simulation.trouble == "some" else Trouble.none()
    with steps() as on_step:
        for moment in (first + timedelta(days=number) for number in range(days)):
            for name in feeds:
                on_step(f"{moment} {name}", "")
                if late:
                    deliver_late(store, world, name, moment)
                else:
                    deliver_day(store, world, moment, trouble, [name])


@app.command(context_settings={**_PASSED_ON, "help_option_names": []}, rich_help_panel=RUN)
def airflow(context: typer.Context) -> None:
    """Run an Airflow command on this workspace, for example `airflow dags test retailflow_daily 2026-01-15`."""
    if context.args in ([], ["--help"]):
        console.print(context.get_help())
        raise typer.Exit
    workspace, command = Workspace(), local_airflow.command(*context.args)
    if context.args[:2] == ["dags", "test"]:
        releases.deploy(workspace.root)
    os.execve(command[0], command, workspace.environment())


@app.command(context_settings={**_PASSED_ON, "help_option_names": []}, rich_help_panel=RUN)
def dbt(context: typer.Context) -> None:
    """Run a dbt command on this workspace, for example `dbt build`."""
    from retailflow_local.dbt import run

    if context.args in ([], ["--help"]):
        console.print(context.get_help())
        raise typer.Exit
    raise typer.Exit(run(Workspace(), context.args))


@app.command(rich_help_panel=LOOK)
def password(user: Annotated[str, typer.Argument(help="admin, oncall or viewer.")] = local_airflow.USER) -> None:
    """Print the password of a user of this workspace's Airflow."""
    known = local_airflow.passwords(Workspace().secrets)
    if user not in known:
        raise typer.BadParameter(f"{user!r} is not one of {', '.join(known)}.")
    print(known[user])


@app.command("env", rich_help_panel=LOOK)
def print_environment() -> None:
    """Print the workspace's settings as shell exports, secrets included: eval "$(./retailflow env)"."""
    for name, value in sorted(Workspace().settings().items()):
        print(f"export {name}={shlex.quote(value)}")


@app.command(context_settings=_PASSED_ON, rich_help_panel=RUN)
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Run the long tests instead of the short ones.")] = False,
) -> None:
    """Run the tests. Further arguments go to pytest."""
    os.chdir(REPOSITORY)
    spread = () if full or context.args else _spread()
    command = (sys.executable, "-m", "pytest", "-m", "full" if full else "not full", *spread, *context.args)
    os.execv(command[0], command)


def _spread() -> tuple[str, ...]:
    """Return pytest's options for two processes, each with its own Spark, if there are enough cores and memory."""
    has_room = (os.cpu_count() or 1) > 1 and psutil.virtual_memory().available > 10 * 2**30
    return ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder") if has_room else ()


app.add_typer(quarantine, name="quarantine", rich_help_panel=LOOK)
app.command(rich_help_panel=LOOK)(incident)
app.command(rich_help_panel=RUN)(lakeflow)
for found in entry_points(group="retailflow.commands"):  # commands of the other packages of this repository
    found.load()(app)


def _ports(wishes: list[str]) -> dict[str, int]:
    ports = {}
    for wish in wishes:
        service, _, number = wish.partition("=")
        if service not in PREFERRED_PORTS or not (number.isdecimal() and 1024 <= int(number) <= 65535):
            raise typer.BadParameter(
                f"{wish!r} is not SERVICE=PORT with one of {', '.join(PREFERRED_PORTS)} and a port from 1024 to 65535."
            )
        ports[service] = int(number)
    return ports


def _memory_mib(process: psutil.Process) -> int:
    """Return the memory of a process in MiB. Shared pages count once where the system reports that, as Linux does."""
    try:
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.uss) // 2**20
    except psutil.Error:
        return 0


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)  # unwinds the stack, so that started processes are stopped


def main() -> None:
    truststore.inject_into_ssl()  # downloads trust the system's certificates, including a proxy's
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        app(prog_name="./retailflow")
    except (WorkspaceError, SettingsError) as error:
        errors.print(f"[red]retailflow:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        errors.print(f"[red]retailflow:[/red] {escape(f'{error.strerror or error}{place}')}", soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
