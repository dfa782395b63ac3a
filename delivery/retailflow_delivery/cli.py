"""The commands of this package, as `./retailflow` shows them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from retailflow.environments import load_environment
from retailflow_delivery.change_plan import plan
from retailflow_delivery.checks import commands
from retailflow_delivery.contracts import app as contracts
from retailflow_delivery.cost import cost
from retailflow_delivery.dag_list import dags
from retailflow_delivery.new_feed import new_feed
from retailflow_delivery.withdrawal import withdraw
from retailflow_local import releases
from retailflow_local.console import console
from retailflow_local.workspace import Workspace

LOOK, CHANGE, DELIVER = "Look", "Change", "Deliver"


def register(app: typer.Typer) -> None:
    """Add the commands of this package to `./retailflow`."""
    for command in (doctor, cost):
        app.command(rich_help_panel=LOOK)(command)
    for command in (new_feed, plan, withdraw):
        app.command(rich_help_panel=CHANGE)(command)
    app.add_typer(contracts, name="contracts", rich_help_panel=CHANGE)
    for command in (pack, commands.check, commands.grants, commands.bundle, dags, commands.verification):
        app.command(rich_help_panel=DELIVER)(command)


def pack(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write the files of a deployment into a folder: the release of the jobs, and the Databricks bundle."""
    release = releases.pack(folder)
    console.print(f"Packed the release {release.version} into {folder}.")


def doctor(
    env: Annotated[str, typer.Option(metavar="ENVIRONMENT", help="An environment in Azure to check.")] = "local",
) -> None:
    """Report what is missing or broken on this machine, and how to fix it. Exit code 1 if something is broken."""
    if env == "local":
        from retailflow_local.doctor import diagnose

        checks = diagnose(Workspace())
    else:
        from retailflow_delivery.cloud import connect, readiness

        checks = readiness.diagnose(connect(load_environment(env)))
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    is_broken = False
    for check in checks:
        colour = colours[check.verdict]
        line = f"[{colour}]{check.verdict:8}[/{colour}]{check.name:14}{escape(check.finding)}"
        console.print(line + (f". [bold]{escape(check.fix)}[/bold]" if check.fix else ""), soft_wrap=True)
        is_broken |= check.verdict == "broken"
    raise typer.Exit(1 if is_broken else 0)
