"""Only the jobs of the erasure open RAW with the right to delete. `find` fails in an environment without an eraser."""

import runpy
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from memory_store import MemoryStore

from retailflow.environments import Environment, load_environment
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.job import entry as job
from retailflow_spark.job import secrets
from retailflow_spark.job.secrets import NoEraser, open_raw, open_raw_to_erase
from retailflow_spark.privacy import erase

JOBS = REPOSITORY / "spark_jobs"
PLAN = {"orders": {"2026-01-15": 3}}


def without_eraser(name: str) -> Environment:
    env = load_environment(name)
    return env.model_copy(update={"raw": env.raw.model_copy(update={"eraser": None})})


@pytest.mark.parametrize(
    ("open_store", "asked"),
    [
        (open_raw, ["raw-tenant-id", "raw-client-id", "raw-client-secret"]),
        (open_raw_to_erase, ["raw-eraser-tenant-id", "raw-eraser-client-id", "raw-eraser-client-secret"]),
    ],
)
def test_each_identity_has_secrets_of_its_own(monkeypatch, open_store, asked):
    read = []
    monkeypatch.setattr(secrets, "secret", lambda environment, key: read.append(key) or key)
    store = open_store(load_environment("prod"))
    assert read == asked
    assert store._container.url == "https://retailflowprod.blob.core.windows.net/raw"


def test_only_the_erasures_jobs_open_raw_to_delete():
    users = {path.name for path in JOBS.rglob("*.py") if "open_raw_to_erase" in path.read_text()}
    assert users == {"erase_find.py", "erase_finish.py", "redact.py", "secrets.py"}
    for name in ("erase_finish.py", "redact.py"):
        assert "open_raw(" not in (JOBS / name).read_text()


@pytest.fixture
def look(monkeypatch):
    """`look(plan, customers="none")`: what `erase_find.py` leaves in RAW, in an environment that has no eraser."""
    store = MemoryStore()

    def run(plan, customers="none"):
        monkeypatch.setattr(erase, "find", lambda *_, **__: plan)
        monkeypatch.setattr(secrets, "open_raw", lambda environment: store)
        monkeypatch.setattr(job, "load_environment", without_eraser)
        monkeypatch.setattr(job, "spark_session", lambda: nullcontext(SimpleNamespace()))
        arguments = ["erase_find.py", "--env", "prod", "--customers", customers, "--browsers", "none"]
        monkeypatch.setattr("sys.argv", [*arguments, "--confirm", "none", "--run-id", "7"])
        runpy.run_path(str(JOBS / "erase_find.py"), run_name="__main__")
        return store.blobs

    return run


@pytest.mark.parametrize(("plan", "customers"), [(PLAN, "none"), ({}, "a" * 64)], ids=["a night", "a request"])
def test_find_fails_before_anything_is_redacted_and_says_how_to_give_an_eraser(look, plan, customers):
    with pytest.raises(NoEraser, match=r"environments/prod\.yaml has no raw\.eraser.*docs/runbooks/erase_a_customer"):
        look(plan, customers)


def test_a_night_without_a_request_needs_no_eraser(look):
    assert look({}) == {"_plans/7.json": b"{}"}
