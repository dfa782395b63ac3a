"""`./retailflow contracts`: report the effect of contract changes, test tables, and write schemas for producers."""

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.markup import escape

from retailflow.contracts import feeds, gold_tables
from retailflow.contracts.model import parse
from retailflow.environments import load_environment
from retailflow_delivery import bi, contract_tests, dbt_sources, schemas, structure
from retailflow_delivery.checks.commands import write
from retailflow_delivery.contract_changes import Contract, Difference, differences
from retailflow_local.commands import REPOSITORY
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError
from retailflow_local.workspace import Workspace

app = typer.Typer(help="The contracts: the effect of changes, tests, schemas for producers.", no_args_is_help=True)
_FOLDER = "include/retailflow/contracts"


@app.command("diff")
def diff(
    ref: Annotated[str, typer.Argument(help="The commit to compare with, for example origin/main.")],
    environment: Annotated[str, typer.Option("--env", help="The environment whose dates to rebuild.")] = "prod",
) -> None:
    """Report for each changed contract whether it breaks a user, which tables it affects, and which dates to rebuild.

    Exit code 1 for a breaking change without a new major version.
    """
    new: dict[str, Contract] = {contract.name: contract for contract in (*feeds(), *gold_tables())}
    found = differences(at(REPOSITORY, ref), new)
    first, last = load_environment(environment).schedule.first_date, datetime.now(UTC).date() - timedelta(days=1)
    for one in found:
        console.print(escape("\n".join(_lines(one, first, last))), soft_wrap=True)
    wrong = [one.name for one in found if not one.is_allowed]
    console.print(f"{len(found)} contracts changed since {escape(ref)}" if found else "No contract has changed.")
    if wrong:
        console.print(f"[red]FAIL[/red] {', '.join(wrong)}: a breaking change needs a new major version.")
    raise typer.Exit(1 if wrong else 0)


@app.command("test")
def test(
    names: Annotated[
        list[str] | None, typer.Argument(help="For example payments fact_sales; without names, all.")
    ] = None,
) -> None:
    """Lint the contracts and test this workspace's tables with datacontract-cli. Exit code 1 for a violation."""
    every: dict[str, Contract] = {contract.name: contract for contract in (*feeds(), *gold_tables())}
    if unknown := set(names or ()) - set(every):
        raise WorkspaceError(f"There is no contract {', '.join(sorted(unknown))}. There are: {', '.join(every)}.")
    found = contract_tests.run(Workspace(), [every[name] for name in names or every])
    for name, result in found.items():
        state = "[red]FAIL[/red]" if result["wrong"] else "[green]pass[/green]"
        console.print(f"{state} {name}: {result['checks']} checks")
        for kind in ("wrong", "warned"):
            for sentence in result[kind]:
                console.print(escape(f"     {kind}: {sentence}"), soft_wrap=True)
    raise typer.Exit(1 if any(result["wrong"] for result in found.values()) else 0)


@app.command("schemas")
def write_schemas() -> None:
    """Rewrite the files for producers, dbt and BI tools, after a change of contracts or metrics."""
    sources = (schemas, dbt_sources, bi, structure)
    write({path: text for source in sources for path, text in source.outputs(REPOSITORY).items()})


def at(root: Path, ref: str) -> dict[str, Contract]:
    """Return the contracts of a commit by name. Raises: WorkspaceError if Git does not know the commit."""
    if ref.startswith("-"):
        raise WorkspaceError(f"{ref!r} is no commit: give a branch, a tag or a commit's id.")
    names = _git(root, "ls-tree", "--name-only", f"{ref}:{_FOLDER}").split()
    found = {}
    for name in names:
        if name.endswith(".odcs.yaml"):
            contract = parse(yaml.safe_load(_git(root, "show", f"{ref}:{_FOLDER}/{name}")), f"{name} of {ref}")
            found[contract.name] = contract
    return found


def _git(root: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise WorkspaceError(f"Git: {result.stderr.strip()} Is the commit there? A shallow clone lacks it: git fetch.")
    return result.stdout


def _lines(one: Difference, first: date, last: date) -> list[str]:
    versions = " to ".join(contract.version for contract in (one.old, one.new) if contract)
    lines = [f"{one.kind:10}{one.name} {versions}"]
    lines += [f"{'':4}{change.kind:10}{change.sentence}" for change in one.changes]
    if one.tables:
        lines.append(f"{'':4}tables    {', '.join(one.tables)}")
    if one.layer == "gold" and one.new:
        lines.append(f"{'':4}backfill  no dates: the next run of the table rebuilds all of it")
    elif one.layer and one.new:
        layers = "bronze, silver, gold" if one.layer == "bronze" else "silver, gold"
        lines.append(f"{'':4}backfill  {first} to {last} of {one.name}: retailflow_replay, layers {layers}")
    return lines
