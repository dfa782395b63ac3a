"""`./retailflow plan`: report the tables that a change of contracts or transforms touches, before it is deployed."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable

from retailflow import fingerprints
from retailflow.contracts import FeedContract, GoldContract, built_from, ddl, feeds, gold_tables
from retailflow.environments import Environment, load_environment
from retailflow_delivery.contracts import at
from retailflow_delivery.cost import ask, client_of
from retailflow_local.commands import REPOSITORY
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError

_PACKAGE = "spark_jobs/retailflow_spark"
_KNOWN = """
SELECT layer, name, count(*) AS dates, sum(rows_read) AS rows, sum(seconds) / 3600 AS hours
FROM (SELECT *, row_number() OVER (PARTITION BY layer, name, ingestion_date ORDER BY started_at DESC) AS age
      FROM ops.task_attempts)
WHERE age = 1 GROUP BY layer, name"""
Contract = FeedContract | GoldContract


@dataclass(frozen=True)
class Touched:
    """A table that a change touches, and why: its rows must be rebuilt, or only its description changes."""

    layer: str
    name: str
    why: str


def plan(
    ref: Annotated[str, typer.Argument(help="The commit that is deployed now, for example origin/main.")],
    env: Annotated[str, typer.Option("--env", metavar="ENVIRONMENT", help="Whose run log has the numbers.")] = "local",
) -> None:
    """List the tables, dates and rows that a change touches, and the compute to bring them up to date."""
    found = list(touched(REPOSITORY, ref))
    if not found:
        console.print("Nothing that decides rows or tables has changed.")
        return
    known = _known(load_environment(env))
    table = RichTable("table", "why", *("dates", "rows", "hours"))
    for one in found:
        dates, rows, hours = known.get((one.layer, one.name), ("", "", ""))
        table.add_row(f"{one.layer}.{one.name}", one.why, str(dates), str(rows), str(hours))
    console.print(table)
    console.print("GOLD: the next run of a table rebuilds all of it, and reports how much it reads.")
    console.print("BRONZE, SILVER: trigger retailflow_replay with the selection outdated; its dry run has the dates.")


def touched(root: Path, ref: str) -> Iterator[Touched]:
    """Yield the tables that the working tree builds differently than a commit, by layer.

    Raises: WorkspaceError for an unknown commit.
    """
    old = at(root, ref)
    with tempfile.TemporaryDirectory() as folder:
        _extract(root, ref, Path(folder))
        before, now = Path(folder) / _PACKAGE, root / _PACKAGE
        remade = set()
        for feed in feeds():
            for layer, of in (("bronze", fingerprints.of_bronze), ("silver", fingerprints.of_silver)):
                if why := _why(of, old.get(feed.name), feed, before, now):
                    yield Touched(layer, feed.name, why)
                    remade |= {table.name for table in feed.tables if table.name.startswith(f"{layer}.")}
        for table in gold_tables():
            if why := _why(fingerprints.of_gold, old.get(table.name), table, before, now):
                yield Touched("gold", table.name, why)
            elif table in built_from(remade):
                yield Touched("gold", table.name, "built from what is replayed: only rows that change")


def _why(of, old: Contract | None, new: Contract, before: Path, now: Path) -> str | None:
    """Return why the rows of a table or its description change; None if neither does."""
    if old is None or type(old) is not type(new):
        return "new"
    if of(old, before) == of(new, now):
        pairs = zip(old.tables, new.tables, strict=False)
        return "comments, properties or checks" if any(ddl.digest(a) != ddl.digest(b) for a, b in pairs) else None
    return "contract" if of(old, now) != of(new, now) else "code"


def _extract(root: Path, ref: str, folder: Path) -> None:
    archive = subprocess.run(["git", "-C", str(root), "archive", ref, _PACKAGE], capture_output=True, check=False)
    if archive.returncode:
        raise WorkspaceError(f"Git: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def _known(env: Environment) -> Mapping[tuple[str, str], tuple[str, str, str]]:
    """Return, per layer and name, the dates in the run log, their rows, and the hours of their last runs."""
    try:
        found = ask(client_of(env), env, _KNOWN)
    except WorkspaceError as error:
        console.print(f"Without numbers: {error}", soft_wrap=True)
        return {}
    return {
        (layer, name): (dates, f"{int(rows or 0):,}", f"{float(hours):,.2f}")
        for layer, name, dates, rows, hours in found
    }
