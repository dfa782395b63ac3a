"""`./retailflow withdraw`: let a batch of RAW count as never delivered, without deleting anything."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

import typer
from azure.core.exceptions import AzureError

from retailflow import raw
from retailflow.contracts import FeedContract, feed_contract
from retailflow.environments import load_environment
from retailflow.manifests import BadManifest, Manifest, Unreadable, counting_for, neighbours
from retailflow.raw import RawStore, batches_path
from retailflow_local.console import console
from retailflow_local.errors import WorkspaceError
from retailflow_local.options import calendar_date
from retailflow_local.workspace import Workspace

_MOST_FILES = 20  # shown at most


def withdraw(
    feed: Annotated[str, typer.Argument(help="For example payments.")],
    day: Annotated[str, typer.Argument(metavar="DATE", help="The ingestion date of the batch.")],
    batch: Annotated[str, typer.Argument(help="Its id, or the beginning of its id.")],
    apply: Annotated[bool, typer.Option("--apply", help="Write the withdrawal; otherwise only report it.")] = False,
    env: Annotated[str, typer.Option(metavar="ENVIRONMENT", help="An environment in Azure, or local.")] = "local",
) -> None:
    """Withdraw a bad batch from RAW: it counts as never delivered, and its files stay. Safe to repeat."""
    try:
        contract, ingestion_date = feed_contract(feed), calendar_date(day)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
    try:
        for line in withdrawn(_store(env), contract, ingestion_date, batch, is_dry_run=not apply):
            console.print(line, soft_wrap=True, markup=False)
        for line in _next_steps(contract, ingestion_date, "./retailflow airflow" if env == "local" else "airflow"):
            console.print(line, soft_wrap=True, markup=False)
    except AzureError as error:
        said = str(error).strip().partition("\n")[0]
        fix = "Run az login. You need a role that reads and creates blobs of RAW (docs/runbooks/bad_batch.md)."
        raise WorkspaceError(f"{type(error).__name__}: {said} {fix}") from error
    except BadManifest as error:
        raise WorkspaceError(str(error)) from error


def withdrawn(
    store: RawStore, contract: FeedContract, ingestion_date: date, wanted: str, *, is_dry_run: bool
) -> Iterator[str]:
    """Withdraw a batch unless it is a dry run, and yield lines that report the effect.

    Raises: WorkspaceError if no batch or several batches match; BadManifest.
    """
    manifests = store.stored_manifests(contract.name, ingestion_date)
    batch = _chosen(manifests, wanted.upper(), f"{contract.name} of {ingestion_date}")
    folder = batches_path(contract.name, ingestion_date)
    if batch.is_withdrawal:
        yield f"{batch.supersedes} is withdrawn already, by {folder}/{batch.batch_id}.json."
    else:
        yield f"{contract.name} of {ingestion_date}: {_described(batch)}"
        for file in batch.files[:_MOST_FILES]:
            yield f"  {file.name}  {file.records:,} records, {file.bytes:,} bytes"
        if len(batch.files) > _MOST_FILES:
            yield f"  and {len(batch.files) - _MOST_FILES} more files"
        if is_dry_run:
            known = {manifest.batch_id for manifest in manifests}
            free = next(batch_id for batch_id in neighbours(batch.batch_id) if batch_id not in known)
            yield f"Would write {folder}/{free}.json: the batch counts as never delivered then. Its files stay in RAW."
            yield "Nothing was changed. Repeat with --apply."
        else:
            done = raw.withdraw(store, contract.name, ingestion_date, batch.batch_id)
            yield f"Wrote {folder}/{done.batch_id}.json: the batch counts as never delivered. Its files stay in RAW."


def _store(env: str) -> RawStore:
    if env != "local":
        from retailflow_delivery.cloud import raw_store

        return raw_store(load_environment(env))
    workspace = Workspace()
    if not workspace.processes.find("azurite"):
        raise WorkspaceError("The Blob emulator does not run. Start the workspace with ./retailflow up.")
    return workspace.raw_store()


def _chosen(manifests: list[Manifest], beginning: str, of_day: str) -> Manifest:
    """Return the manifest that counts now for the only batch whose id begins with `beginning`."""
    batches = [manifest.batch_id for manifest in manifests if not manifest.is_withdrawal]
    counting = {batch_id: counting_for(manifests, batch_id) for batch_id in batches}
    found = {live.batch_id: live for batch_id, live in counting.items() if batch_id.startswith(beginning)}
    if len(found) == 1:
        return found.popitem()[1]
    said = "several batches whose ids begin" if found else "no batch whose id begins"
    lines = (
        f"\n  {_described(one)}{', withdrawn' if counting[one.batch_id].is_withdrawal else ''}"
        for one in manifests
        if one.batch_id in counting
    )
    raise WorkspaceError(f"{of_day} has {said} with {beginning}. Its batches:{''.join(lines) or ' none'}")


def _described(batch: Manifest) -> str:
    if isinstance(batch, Unreadable):
        return f"{batch.batch_id}, whose manifest cannot be read"
    what = f"{len(batch.files)} files, {batch.records:,} records, made at {batch.created_at:%Y-%m-%d %H:%M %Z}"
    return f"{batch.batch_id}, {what}"


def _next_steps(contract: FeedContract, ingestion_date: date, airflow: str) -> Iterator[str]:
    """Yield the next steps of the user. `airflow` is the command that runs Airflow's CLI."""
    if contract.delivery == "api":
        yield (
            f"Next: clear raw.ingest_{contract.name} of {ingestion_date} in Airflow, downstream tasks included. "
            "It asks the API again, and the day follows. Or run the whole day again:"
        )
        yield f'    airflow dags trigger retailflow_daily --conf \'{{"ingestion_date": "{ingestion_date}"}}\''
        return
    yield (
        "Next: have the source deliver the records again as a new batch, unless they are gone for good. "
        "retailflow_late_batches replays a recent day that has run before, within the hour. "
        f"Where bronze.{contract.name} has failed, clear it, downstream tasks included. Or replay the day at once:"
    )
    dates = f'"date_from": "{ingestion_date}", "date_to": "{ingestion_date}"'
    yield (
        f"    {airflow} dags trigger retailflow_replay --conf "
        f'\'{{{dates}, "feeds": ["{contract.name}"], "dry_run": false}}\''
    )
