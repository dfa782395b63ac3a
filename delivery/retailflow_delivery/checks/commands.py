"""`./retailflow check`, and the commands that rewrite the files that it reports as stale."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from retailflow_delivery import verification as verified
from retailflow_delivery.checks import results
from retailflow_local.console import console
from retailflow_local.workspace import REPOSITORY

_WORDS = {"pass": "passed", "FAIL": "failed", "SKIPPED": "skipped"}
_COLOURS = {"pass": "green", "FAIL": "red", "SKIPPED": "yellow"}


def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only checks whose names begin with this, for example terraform.")
    ] = None,
    registry: Annotated[
        bool, typer.Option("--registry", help="Take providers from Terraform's registry, not from a mirror.")
    ] = False,
) -> None:
    """Check the parts that run only in Azure, and how they are delivered.

    Exit code 1 if a check fails. A check that cannot run is SKIPPED, with the reason.
    """
    from retailflow_delivery.checks.delivery import Delivery
    from retailflow_delivery.checks.terraform import Platform

    counts: Counter[str] = Counter()
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    with TemporaryDirectory(prefix="retailflow-check-") as scratch:
        checks = [*Platform(REPOSITORY, Path(scratch), registry).checks(), *Delivery(REPOSITORY).checks()]
        chosen = [found for found in checks if not names or found.name.startswith(tuple(names))]
        if not chosen:
            raise typer.BadParameter(f"Unknown check; known are {', '.join(found.name for found in checks)}.")
        for result in results(chosen):
            counts[result.verdict] += 1
            seen[f"check {result.name}"][_WORDS[result.verdict]] += 1
            colour, said = _COLOURS[result.verdict], escape(result.said.replace("\n", f"\n{'':8}"))
            line = f"[{colour}]{result.verdict:8}[/{colour}]{result.name:20}[dim]{result.seconds:5.1f} s[/dim]  {said}"
            console.print(line.rstrip(), soft_wrap=True)
    if verified.is_recording():
        verified.record(REPOSITORY, seen)
    console.print(f"{counts['pass']} passed, {counts['FAIL']} failed, {counts['SKIPPED']} skipped")
    raise typer.Exit(1 if counts["FAIL"] else 0)


def grants() -> None:
    """Rewrite Terraform's grants and the tables of docs/UNITY_CATALOG.md, after a change of roles or feeds."""
    from retailflow_delivery.grants import outputs

    write(outputs(REPOSITORY))


def verification() -> None:
    """Rewrite docs/VERIFICATION.md: each claim with its proofs and their recorded results."""
    write(verified.outputs(REPOSITORY))


def bundle() -> None:
    """Rewrite the Databricks jobs and pipeline in resources/, after a change of contracts or environment files."""
    from retailflow_delivery.bundle import outputs

    write(outputs(REPOSITORY))


def write(outputs: Mapping[Path, str]) -> None:
    """Write the files that differ, and print their paths."""
    for path, text in outputs.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            console.print(f"Wrote {path.relative_to(REPOSITORY)}.")
