"""RAW to BRONZE on real Azurite, Spark and Delta."""

import json
from datetime import UTC, date, datetime

import pytest

from retailflow.contracts import feed_contract
from retailflow.manifests import BadManifest, ulid
from retailflow.raw import Part, deliver
from retailflow_spark.bronze import load as bronze
from retailflow_spark.bronze.encoding import BadFile

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)
PAYMENTS = feed_contract("payments")


def deliver_lines(raw, batch: str, *lines: str, created_at: datetime = NOW) -> str:
    payload = "".join(f"{line}\n" for line in lines).encode()
    return deliver(raw, "payments", DAY, ulid(NOW, batch), created_at, [Part(".ndjson", payload, len(lines))]).batch_id


def rows(tables, *columns: str) -> list[tuple]:
    return sorted(tuple(row) for row in tables.read("bronze.payments").select(*columns).collect())


def test_a_record_lands_as_received_with_where_it_came_from(tables, raw):
    batch = deliver_lines(raw, "a", '{"payment_event_id": "E1", "amount": "1.50", "new": {"x": 1}}', "no json")
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    columns = ("payment_event_id", "amount", "_rescued_data", "_corrupt_record", "_source_file", "_position")
    file = f"payments/ingestion_date=2026-01-15/batch_{batch}.ndjson"
    found = {tuple(row) for row in tables.read("bronze.payments").select(*columns).collect()}
    assert found == {
        ("E1", "1.50", '{"new":{"x": 1}}', None, file, 0),
        (None, None, None, "no json", file, 1),
    }


def test_a_file_that_no_manifest_names_is_invisible(tables, raw):
    deliver_lines(raw, "a", '{"payment_event_id": "E1"}')
    raw.create("payments/ingestion_date=2026-01-15/batch_01HALFWAY.ndjson", b'{"payment_event_id": "GHOST"}\n')
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert rows(tables, "payment_event_id") == [("E1",)]


def test_a_late_batch_joins_its_day_and_a_rerun_changes_nothing(tables, raw):
    deliver_lines(raw, "a", '{"payment_event_id": "E1"}')
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    deliver_lines(raw, "b", '{"payment_event_id": "E2"}', created_at=datetime(2026, 1, 20, tzinfo=UTC))
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    first = rows(tables, "payment_event_id", *PAYMENTS.bronze.column_names[-5:])
    assert [row[0] for row in first] == ["E1", "E2"]
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert rows(tables, "payment_event_id", *PAYMENTS.bronze.column_names[-5:]) == first


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"bytes": 1}, "bytes; its manifest says 1"),
        ({"sha256": "0" * 64}, "has the SHA-256"),
        ({"records": 7}, "holds 1 records; its manifest says 7"),
        ({"name": "batch_gone.ndjson"}, "is named by a manifest and missing from RAW"),
    ],
)
def test_a_file_unlike_its_manifest_fails_the_batch_and_the_day_stays(tables, raw, spoil, said):
    deliver_lines(raw, "a", '{"payment_event_id": "E1"}')
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    batch = deliver_lines(raw, "b", '{"payment_event_id": "E2"}')
    path = f"payments/ingestion_date=2026-01-15/_batches/{batch}.json"
    manifest = json.loads(raw.read(path))
    manifest["files"][0] |= spoil
    raw._container.upload_blob(path, json.dumps(manifest), overwrite=True)
    with pytest.raises(BadFile, match=said):
        bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert rows(tables, "payment_event_id") == [("E1",)]


def test_an_empty_delivery_empties_the_day_and_no_delivery_fails_with_a_sentence(tables, raw):
    with pytest.raises(BadManifest, match="payments/ingestion_date=2026-01-15 has no manifest"):
        bronze.load_day(tables, raw, PAYMENTS, DAY)
    deliver(raw, "payments", DAY, ulid(NOW, "empty"), NOW, [])
    bronze.load_day(tables, raw, PAYMENTS, DAY)
    assert rows(tables, "payment_event_id") == []
