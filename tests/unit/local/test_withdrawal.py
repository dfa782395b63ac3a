from datetime import UTC, date, datetime

import pytest
from azure.core.exceptions import ClientAuthenticationError
from memory_store import MemoryStore
from typer.testing import CliRunner

from retailflow.manifests import counted
from retailflow.raw import Part, deliver
from retailflow_delivery import cloud, withdrawal
from retailflow_local import cli
from retailflow_local.workspace import Workspace

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)
GOOD, BAD = "01KF23B0T0AAAAAAAAAAAAAAAA", "01KF24B0T0AAAAAAAAAAAAAAAA"
WITHDRAWAL = "01KF24B0T0AAAAAAAAAAAAAAAB"
FOLDER = "ingestion_date=2026-01-15/_batches"


@pytest.fixture
def store(monkeypatch) -> MemoryStore:
    """Two batches of payments, the second with two files."""
    made = MemoryStore()
    monkeypatch.setattr(withdrawal, "_store", lambda env: made)
    deliver(made, "payments", DAY, GOOD, NOW, [Part(".ndjson", b"{}\n", 1)])
    deliver(made, "payments", DAY, BAD, NOW, [Part(f".{n}.ndjson", b"{}\n" * 1500, 1500) for n in (1, 2)])
    return made


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["withdraw", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, f"{result.output}{result.exception or ''}"


def test_a_dry_run_says_what_would_happen_and_changes_nothing(store):
    before = dict(store.blobs)
    code, said = run("payments", "2026-01-15", BAD)
    assert code == 0
    assert (
        said
        == f"""\
payments of 2026-01-15: {BAD}, 2 files, 3,000 records, made at 2026-01-16 00:30 UTC
  batch_{BAD}.1.ndjson  1,500 records, 4,500 bytes
  batch_{BAD}.2.ndjson  1,500 records, 4,500 bytes
Would write payments/{FOLDER}/{WITHDRAWAL}.json: the batch counts as never delivered then. Its files stay in RAW.
Nothing was changed. Repeat with --apply.
Next: have the source deliver the records again as a new batch, unless they are gone for good. \
retailflow_late_batches replays a recent day that has run before, within the hour. \
Where bronze.payments has failed, clear it, downstream tasks included. Or replay the day at once:
    ./retailflow airflow dags trigger retailflow_replay --conf \
'{{"date_from": "2026-01-15", "date_to": "2026-01-15", "feeds": ["payments"], "dry_run": false}}'
"""
    )
    assert store.blobs == before


def test_applied_the_batch_does_not_count_any_more_and_again_changes_nothing(store):
    code, said = run("payments", "2026-01-15", "01kf24", "--apply")
    assert (code, f"Wrote payments/{FOLDER}/{WITHDRAWAL}.json: " in said) == (0, True)
    assert [batch.batch_id for batch in counted(store.manifests("payments", DAY))] == [GOOD, WITHDRAWAL]
    before = dict(store.blobs)
    code, said = run("payments", "2026-01-15", BAD, "--apply")
    assert (code, said.startswith(f"{BAD} is withdrawn already, by payments/{FOLDER}/{WITHDRAWAL}.json.")) == (0, True)
    assert store.blobs == before


def test_a_withdrawn_batch_of_an_api_must_be_fetched_again(store):
    deliver(store, "orders", DAY, BAD, NOW, [])
    code, said = run("orders", "2026-01-15", BAD, "--env", "dev")
    assert code == 0
    assert "clear raw.ingest_orders of 2026-01-15 in Airflow, downstream tasks included. It asks the API again" in said
    assert '\n    airflow dags trigger retailflow_daily --conf \'{"ingestion_date": "2026-01-15"}\'\n' in said


def test_a_batch_whose_manifest_is_broken_can_be_withdrawn(store):
    store.blobs[f"payments/{FOLDER}/{BAD}.json"] = b""
    code, said = run("payments", "2026-01-15", BAD, "--apply")
    assert code == 0
    assert said.startswith(f"payments of 2026-01-15: {BAD}, whose manifest cannot be read\nWrote ")
    assert [batch.batch_id for batch in counted(store.manifests("payments", DAY))] == [GOOD, WITHDRAWAL]


def test_many_files_are_not_all_shown(store):
    deliver(store, "stores", DAY, BAD, NOW, [Part(f".{n:03d}.csv", b"", 0) for n in range(50)])
    said = run("stores", "2026-01-15", BAD)[1]
    assert (said.count(".csv"), "\n  and 30 more files\n" in said) == (20, True)


@pytest.mark.parametrize(
    ("beginning", "why"), [("01KF", "several batches whose ids begin"), ("01KF25", "no batch whose id begins")]
)
def test_an_unknown_or_ambiguous_batch_is_refused_with_the_list_of_batches(store, beginning, why):
    run("payments", "2026-01-15", BAD, "--apply")
    before = dict(store.blobs)
    code, said = run("payments", "2026-01-15", beginning, "--apply")
    assert code == 1
    assert said == (
        f"payments of 2026-01-15 has {why} with {beginning}. Its batches:\n"
        f"  {GOOD}, 1 files, 1 records, made at 2026-01-16 00:30 UTC\n"
        f"  {BAD}, 2 files, 3,000 records, made at 2026-01-16 00:30 UTC, withdrawn"
    )
    assert store.blobs == before
    assert run("payments", "2026-01-14", BAD)[1].endswith("Its batches: none")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["payment", "2026-01-15", BAD], "'payment' is not a known feed; known are clickstream, customers"),
        (["payments", "2026-1-15", BAD], "'2026-1-15' is not a date as YYYY-MM-DD."),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(store, arguments, said):
    code, output = run(*arguments)
    assert (code, said in output) == (2, True)


def test_a_stopped_workspace_is_refused_with_the_command_that_starts_it(monkeypatch, tmp_path):
    monkeypatch.setattr(withdrawal, "Workspace", lambda: Workspace(tmp_path))
    assert "./retailflow up" in run("payments", "2026-01-15", BAD)[1]


def test_a_refusal_in_azure_names_the_role_that_is_needed(monkeypatch, store):
    def refused(feed: str, day: date) -> list:
        raise ClientAuthenticationError("no credential\nmore")

    monkeypatch.setattr(store, "stored_manifests", refused)
    code, said = run("payments", "2026-01-15", BAD, "--env", "dev")
    assert code == 1
    assert said.startswith(
        "ClientAuthenticationError: no credential Run az login. You need a role that reads and creates"
    )


def test_an_environment_in_azure_has_its_own_container(monkeypatch):
    asked = []
    monkeypatch.setattr(cloud, "raw_store", lambda env: asked.append(env.name) or MemoryStore())
    run("payments", "2026-01-15", BAD, "--env", "stg")
    assert asked == ["stg"]
