"""RAW: repeatable names, and batches that appear whole or not at all. tests/integration uses Azurite itself."""

import json
from datetime import UTC, date, datetime

import pytest
from memory_store import MemoryStore
from pydantic import ValidationError

from retailflow.manifests import Manifest, ulid
from retailflow.raw import Part, deliver, join_pages

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)


def test_a_batch_id_is_a_ulid_of_its_moment_and_always_the_same_for_the_same_identity():
    first = ulid(NOW, "orders", "1")
    assert first == ulid(NOW, "orders", "1") == "01KF23B0T0" + first[10:]
    assert first != ulid(NOW, "orders", "2")
    assert len(first) == 26


def test_the_first_manifest_of_a_batch_stays():
    store = MemoryStore()
    batch = ulid(NOW, "x")
    first = deliver(store, "orders", DAY, batch, NOW, [Part(".a.json", b"[]", 0)])
    assert deliver(store, "orders", DAY, batch, NOW, [Part(".b.json", b"[1]", 1)]) == first


def test_other_bytes_under_a_name_that_exists_in_raw_are_refused():
    store = MemoryStore()
    batch = ulid(NOW, "x")
    deliver(store, "orders", DAY, batch, NOW, [Part(".json", b"one", 1)])
    with pytest.raises(FileExistsError, match="RAW is never overwritten"):
        deliver(store, "orders", DAY, batch, NOW, [Part(".json", b"two", 1)])
    assert store.blobs[f"orders/ingestion_date=2026-01-15/batch_{batch}.json"] == b"one"


def test_a_manifest_names_no_file_outside_its_folder():
    with pytest.raises(ValidationError, match="name"):
        Manifest.model_validate_json(json.dumps({
            "batch_id": ulid(NOW, "x"), "entity": "orders", "ingestion_date": "2026-01-15", "created_at": 0,
            "files": [{"name": "batch_../../secret", "bytes": 1, "sha256": "0" * 64, "records": 1}],
        }))  # fmt: skip


def test_pages_are_joined_without_a_change_to_their_bytes():
    assert join_pages([b'{"a": 1}', b'{ "b":2 }']) == b'[{"a": 1},{ "b":2 }]'
