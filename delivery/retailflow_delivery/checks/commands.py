"""`./retailflow check`, and the commands that write what it finds stale."""

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
        list[str] | None, typer.Argument(help="Only checks whose name begins so, such as terraform.")
    ] = None,
    registry: Annotated[
        bool, typer.Option("--registry", help="Providers from Terraform's registry, not from a mirror.")
    ] = False,
) -> None:
    """Check what runs in Azure only, and what delivers it.

    Exit code 1 if a check fails; one that cannot be made is SKIPPED, and says why.
    """
    from retailflow_delivery.checks.delivery import Delivery
    from retailflow_delivery.checks.terraform import Platform

    counts: Counter[str] = Counter()
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    with TemporaryDirectory(prefix="retailflow-check-") as scratch:
        checks = [*Platform(REPOSITORY, Path(scratch), registry).checks(), *Delivery(REPOSITORY).checks()]
        chosen = [found for found in checks if not names or found.name.startswith(tuple(names))]
        if not chosen:
            raise typer.BadParameter(f"There is no such check; there are {', '.join(found.name for found in checks)}.")
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
    """Write anew what Terraform and docs/UNITY_CATALOG.md have from the contracts, after a change of roles or feeds."""
    from retailflow_delivery.grants import outputs

    write(outputs(REPOSITORY))


def verification() -> None:
    """Write docs/VERIFICATION.md anew: each claim with what proves it, and the results that were recorded."""
    write(verified.outputs(REPOSITORY))


def bundle() -> None:
    """Write anew the Databricks job and pipeline of resources/, after a change of contracts or environment files."""
    from retailflow_delivery.bundle import outputs

    write(outputs(REPOSITORY))


def write(outputs: Mapping[Path, str]) -> None:
    """Write the files that differ, and say which."""
    for path, text in outputs.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            console.print(f"Wrote {path.relative_to(REPOSITORY)}.")
