"""An erasure that may not delete in RAW still removes the person from the tables, and reports what is left."""

import hashlib
from datetime import date

import pytest
from pipeline import put, restricted, run_day

from retailflow.contracts import feed_contract
from retailflow_local.azurite import DATA_ACTIONS
from retailflow_spark.privacy.erase import find, redact_day
from retailflow_spark.privacy.purge import ErasureError, finish

DAY = date(2026, 1, 15)
PERSON = hashlib.sha256(b"C-CANARY").hexdigest()
CUSTOMERS = [{"customer_id": key, "updated_at": "2026-01-15T10:00:00Z"} for key in ("C-CANARY", "C-2")]


def test_the_tables_are_rebuilt_and_the_right_that_is_missing_in_raw_is_named(tables, raw, workspace, capsys):
    old = put(raw, "customers", DAY, *CUSTOMERS)
    run_day(tables, raw, "customers", DAY)
    jobs, eraser = (restricted(workspace, raw, DATA_ACTIONS[role]) for role in ("ingestion", "eraser"))
    path = f"customers/ingestion_date=2026-01-15/{old.files[0].name}"
    assert find(tables, jobs, customers=[PERSON], unconfirmed_records=1) == {"customers": {"2026-01-15": 1}}

    assert redact_day(tables, jobs, feed_contract("customers"), DAY, "1") == 1
    assert f"{path} stays for now: the identity of raw.eraser may not delete there\n" in capsys.readouterr().out
    run_day(tables, jobs, "customers", DAY)
    assert [row.customer_id for row in tables.read("silver.customers").collect()] == ["C-2"]
    with pytest.raises(ErasureError, match=rf"1 files of RAW still hold them, {path} among them: the identity"):
        finish(tables, lambda: jobs, 24, "2")
    assert "C-CANARY" in raw.read(path).decode()

    assert finish(tables, lambda: eraser, 24, "3").startswith("Gone from all tables")
    assert not raw.exists(path)
