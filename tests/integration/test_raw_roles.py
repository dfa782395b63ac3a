"""An identity can do its work in RAW with the data actions of its role, and not with one action less.

A shared access signature of the emulator replaces a role of Azure (`DATA_ACTIONS`). Airflow's sensors are in
tests/dags/test_landing_roles.py.
"""

import json
from collections.abc import Callable
from datetime import date

import pytest
from azure.core.exceptions import HttpResponseError
from pipeline import put, restricted
from scripted_api import page, scripted_api

from retailflow.contracts import feed_contract
from retailflow.raw import Kept, RawStore
from retailflow_local.azurite import DATA_ACTIONS
from retailflow_spark.bronze.ingest import deliver_pages
from retailflow_spark.bronze.source_api import TimeLimit
from retailflow_spark.privacy.redaction import dead_files, redact
from retailflow_spark.privacy.subjects import Found, Subjects, digest

DAY = date(2026, 1, 15)
ADA, BEA = ({"customer_id": key, "updated_at": "2026-01-15T10:00:00Z"} for key in ("C-ADA", "C-BEA"))
REFUSED = "AuthorizationPermissionMismatch"


def ingest(raw: RawStore, store: RawStore) -> str:
    with scripted_api(page({"order_id": "O1"})) as api:
        return deliver_pages(store, "orders", DAY, api.source(), "token", TimeLimit(30))


def erase(raw: RawStore, store: RawStore) -> Kept | None:
    """Write a batch again without a customer, and delete its old file."""
    old = put(raw, "customers", DAY, ADA, BEA)
    subjects = Subjects(frozenset({digest("C-ADA")}))
    redact(store, feed_contract("customers"), old, {old.files[0].name: {0: Found.BY_ID}}, subjects)
    (path,) = dead_files(store, "customers", DAY)
    return store.delete(path)


def texts(raw: RawStore, prefix: str) -> str:
    return "".join(raw.read(name).decode() for name in raw.names(prefix))


def test_the_ingestion_delivers_a_day_once_and_deletes_nothing(workspace, raw):
    store = restricted(workspace, raw, DATA_ACTIONS["ingestion"])
    assert ingest(raw, store) == "orders 2026-01-15: 1 records in RAW"
    assert ingest(raw, store) == "orders 2026-01-15: already complete in RAW, nothing asked of the source"
    assert not store.create("orders/ingestion_date=2026-01-15/_SUCCESS", b"again")
    before = raw.names("")
    assert [store.delete(path) for path in before] == [Kept.FORBIDDEN] * 3
    assert raw.names("") == before


def test_the_eraser_takes_a_customer_out_of_raw(workspace, raw):
    assert erase(raw, restricted(workspace, raw, DATA_ACTIONS["eraser"])) is None
    left = texts(raw, "customers/ingestion_date=2026-01-15/batch_")
    assert "C-ADA" not in left
    assert json.loads(left)[0]["customers"] == [BEA]


# Azure and its emulator also let `write` create a blob, so nothing fails without `add/action` alone.
@pytest.mark.parametrize("action", ["read", "write"])
@pytest.mark.parametrize(("role", "work"), [("ingestion", ingest), ("eraser", erase)])
def test_without_one_action_of_its_role_an_identity_is_refused(
    workspace, raw, role: str, work: Callable[[RawStore, RawStore], object], action: str
):
    store = restricted(workspace, raw, set(DATA_ACTIONS[role]) - {action})
    with pytest.raises(HttpResponseError, match=REFUSED):
        work(raw, store)


def test_without_the_right_to_delete_an_erasure_leaves_the_old_file_and_goes_on(workspace, raw):
    assert erase(raw, restricted(workspace, raw, set(DATA_ACTIONS["eraser"]) - {"delete"})) is Kept.FORBIDDEN
    assert "C-ADA" in texts(raw, "customers/ingestion_date=2026-01-15/batch_")
