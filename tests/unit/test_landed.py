"""`landed.py` fails until `_SUCCESS` is there: a Databricks job's retries wait for it."""

import runpy
from datetime import date
from pathlib import Path

import pytest
from memory_store import MemoryStore

from retailflow.raw import complete
from retailflow_spark.job import secrets

SCRIPT = Path(__file__).parents[2] / "spark_jobs" / "landed.py"


@pytest.fixture
def look(monkeypatch):
    store = MemoryStore()
    monkeypatch.setattr(secrets, "open_raw", lambda environment: store)
    arguments = ["landed.py", "--env", "local", "--feed", "orders", "--date", "2026-01-15"]
    monkeypatch.setattr("sys.argv", arguments)
    return store, lambda: runpy.run_path(str(SCRIPT), run_name="__main__")


def test_a_day_that_is_not_complete_fails_with_the_file_it_lacks(look):
    store, run = look
    complete(store, "orders", date(2026, 1, 14))
    with pytest.raises(SystemExit, match=r"^orders/ingestion_date=2026-01-15/_SUCCESS is not there yet"):
        run()


def test_a_complete_day_passes(look):
    store, run = look
    complete(store, "orders", date(2026, 1, 15))
    run()
