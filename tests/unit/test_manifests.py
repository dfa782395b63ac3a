"""Manifests: the forms that are accepted, the ones that fail a day and are named, and the withdrawal of a batch."""

import json
from datetime import UTC, date, datetime

import pytest
from memory_store import MemoryStore

from retailflow.manifests import BadManifest, Manifest, counted, counting_for, neighbours, parse_manifest, ulid
from retailflow.raw import Part, RawFile, batch_ids, deliver, supersede, withdraw

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)
BATCH = "01KF23B0T0AAAAAAAAAAAAAAAA"
OTHER = "01KF23B0T0ZZZZZZZZZZZZZZZZ"
FOLDER = "orders/ingestion_date=2026-01-15/"
SECRET = "jane.doe@example.com"  # a value that no message may quote


def path(batch: str = BATCH) -> str:
    return f"{FOLDER}_batches/{batch}.json"


def said(**changed) -> dict:
    """Return a manifest of one file with these values changed."""
    file = {"name": f"batch_{BATCH}.json", "bytes": 4, "sha256": "ab" * 32, "records": 1}
    manifest = {"batch_id": BATCH, "entity": "orders", "ingestion_date": "2026-01-15"}
    return {**manifest, "created_at": "2026-01-16T00:30:00Z", "files": [file | changed.pop("file", {})], **changed}


def store_of(*manifests: dict | bytes) -> MemoryStore:
    """Return RAW with these manifests of the day. Bytes are the manifest of BATCH."""
    store = MemoryStore()
    for one in manifests:
        name, payload = (BATCH, one) if isinstance(one, bytes) else (one["batch_id"], json.dumps(one).encode())
        store.create(path(name), payload)
    return store


def refusal(store: MemoryStore) -> str:
    with pytest.raises(BadManifest) as refused:
        store.manifests("orders", DAY)
    return str(refused.value)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(json.dumps(said()).encode(), id="plain"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf" + json.dumps(said()).encode(), id="byte order marks"),
        pytest.param(json.dumps(said(file={"sha256": "AB" * 32})).encode(), id="upper-case digest"),
        pytest.param(json.dumps(said(producer="x", file={"crc": 1})).encode(), id="unknown fields"),
        pytest.param(json.dumps(said(created_at="2026-01-16T01:30:00+01:00")).encode(), id="another offset"),
    ],
)
def test_forms_that_are_taken_say_the_same(payload):
    (manifest,) = store_of(payload).manifests("orders", DAY)
    assert (manifest.batch_id, manifest.created_at, manifest.records) == (BATCH, NOW, 1)
    assert manifest.files[0].sha256 == "ab" * 32


def test_a_withdrawal_and_a_redaction_of_older_form_are_read():
    manifest = parse_manifest(path(), json.dumps(said(redacts=OTHER)).encode())
    assert (manifest.supersedes, manifest.is_withdrawal) == (OTHER, False)
    manifest = parse_manifest(path(), json.dumps(said(supersedes=OTHER, files=[])).encode())
    assert (manifest.supersedes, manifest.is_withdrawal) == (OTHER, True)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\xef\xbb\xbf \n", "is empty", id="blank"),
        pytest.param(json.dumps(said()).encode()[:-20], "not a whole JSON object; it may be cut off", id="cut off"),
        pytest.param(json.dumps(said()).encode("utf-16"), "not a whole JSON object", id="UTF-16"),
        pytest.param(b"[" * 100_000, "not a whole JSON object", id="nested"),
        pytest.param(f'["{SECRET}"]'.encode(), "is not a manifest (the whole: ", id="an array"),
    ],
)
def test_a_manifest_that_cannot_be_read_fails_the_day_and_is_named(payload, why):
    message = refusal(store_of(payload))
    assert message.startswith(f"{path()} ") and why in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"batch_id": None}, "is not a manifest (batch_id: "),
        ({"batch_id": OTHER}, "has a different batch_id than its name"),
        ({"entity": SECRET}, "has a different feed or date than its folder"),
        ({"ingestion_date": "2026-01-16"}, "has a different feed or date than its folder"),
        ({"ingestion_date": SECRET}, "(ingestion_date: "),
        ({"created_at": SECRET}, "(created_at: "),
        ({"created_at": "2026-01-16T00:30:00"}, "(created_at: "),
        ({"files": SECRET}, "(files: "),
        ({"file": {"name": f"batch_../{SECRET}"}}, "(files.0.name: "),
        ({"file": {"bytes": -1}}, "(files.0.bytes: "),
        ({"file": {"bytes": SECRET}}, "(files.0.bytes: "),
        ({"file": {"sha256": SECRET}}, "(files.0.sha256: "),
        ({"file": {"records": -1}}, "(files.0.records: "),
        ({"supersedes": SECRET}, "(supersedes: "),
    ],
)
def test_a_manifest_with_a_wrong_value_fails_the_day_and_the_field_is_named_without_it(changed, why):
    message = refusal(store_of(json.dumps(said(**changed)).encode()))
    assert message.startswith(f"{path()} ") and why in message
    assert SECRET not in message


def test_a_manifest_whose_name_says_no_batch_fails_the_day():
    store = store_of(said())
    store.create(path("notes"), b"")
    assert refusal(store).startswith(f"{path('notes')} is empty")


def test_a_file_that_is_named_twice_fails_the_day():
    twice = {**said(), "files": said()["files"] * 2}
    assert refusal(store_of(twice)).startswith(f"{path()} names a file that is named more than once")
    assert "names a file that is named more than once" in refusal(store_of(said(), said(batch_id=OTHER)))


@pytest.mark.parametrize(
    ("manifests", "named", "why"),
    [
        ([said(supersedes=OTHER)], BATCH, "supersedes a batch that has no manifest of its own"),
        ([said(supersedes=BATCH)], BATCH, "the manifest of {batch} and others supersede each other in a circle"),
        (
            [said(supersedes=OTHER), said(batch_id=OTHER, supersedes=BATCH), said(batch_id="0" * 26)],
            BATCH,
            "the manifest of {batch} and others supersede each other in a circle",
        ),
        (
            [said(), said(batch_id="0" * 26, supersedes=BATCH), said(batch_id=OTHER, supersedes=BATCH, files=[])],
            "0" * 26,
            "supersedes a batch that another one supersedes too",
        ),
    ],
    ids=["unknown", "itself", "a circle beside a batch", "twice"],
)
def test_manifests_that_contradict_each_other_fail_the_day(manifests, named, why):
    message = refusal(store_of(*manifests))
    assert message.startswith((f"{path(named)} {why}", why.format(batch=named)))


def delivered(store: MemoryStore, *payloads: bytes) -> list[Manifest]:
    moments = [NOW.replace(minute=number) for number in range(len(payloads))]
    return [
        deliver(store, "orders", DAY, ulid(moment, "x"), moment, [Part(".json", payload, 1)])
        for moment, payload in zip(moments, payloads, strict=True)
    ]


def test_a_withdrawn_batch_does_not_count_and_raw_keeps_every_byte():
    store = MemoryStore()
    kept, bad = delivered(store, b"kept", b"bad")
    before = dict(store.blobs)
    withdrawal = withdraw(store, "orders", DAY, bad.batch_id)
    assert (withdrawal.supersedes, withdrawal.files, withdrawal.is_withdrawal) == (bad.batch_id, (), True)
    assert counted(store.manifests("orders", DAY)) == [kept, withdrawal]
    assert {name: store.blobs[name] for name in before} == before
    assert store.blobs.keys() - before.keys() == {path(withdrawal.batch_id)}


def test_a_withdrawal_is_made_once_however_often_it_is_asked_for():
    store = MemoryStore()
    (bad,) = delivered(store, b"bad")
    withdrawal = withdraw(store, "orders", DAY, bad.batch_id)
    before = dict(store.blobs)
    for batch in (bad, withdrawal):
        assert withdraw(store, "orders", DAY, batch.batch_id) == withdrawal
    assert store.blobs == before


def test_the_withdrawal_of_a_redacted_batch_withdraws_its_replacement():
    store = MemoryStore()
    (old,) = delivered(store, b"with her")
    redacted = supersede(store, old, [RawFile(name="batch_r.json", bytes=1, sha256="0" * 64, records=0)])
    withdrawal = withdraw(store, "orders", DAY, old.batch_id)
    assert withdrawal.supersedes == redacted.batch_id
    assert counted(store.manifests("orders", DAY)) == [withdrawal]
    assert counting_for(store.manifests("orders", DAY), old.batch_id) == withdrawal


def test_a_neighbour_that_is_a_batch_of_its_own_is_left_alone():
    store = MemoryStore()
    (bad,) = delivered(store, b"bad")
    nearest, second = (name for name, _ in zip(neighbours(bad.batch_id), range(2), strict=False))
    other = deliver(store, "orders", DAY, nearest, NOW, [Part(".json", b"other", 1)])
    withdrawal = withdraw(store, "orders", DAY, bad.batch_id)
    assert withdrawal.batch_id == second < bad.batch_id < nearest
    assert counted(store.manifests("orders", DAY)) == [withdrawal, other]


def test_the_withdrawal_of_a_contradictory_or_unreadable_manifest_repairs_the_day():
    same = said(batch_id=OTHER)
    for bad, batch in ((b"", BATCH), (json.dumps(said(entity="payments")).encode(), BATCH), (same, OTHER)):
        store = store_of(said(), same) if batch == OTHER else store_of(bad)
        (kept,) = delivered(store, b"kept")
        assert refusal(store)
        withdrawal = withdraw(store, "orders", DAY, batch)
        assert (withdrawal.entity, withdrawal.ingestion_date, withdrawal.supersedes) == ("orders", DAY, batch)
        manifests = store.manifests("orders", DAY)
        assert kept in counted(manifests) and withdrawal in counted(manifests)
        assert {manifest.batch_id for manifest in manifests} == batch_ids(store, "orders", DAY)


def test_a_withdrawal_that_is_emptied_later_fails_the_day_until_it_is_made_again():
    store = MemoryStore()
    (bad,) = delivered(store, b"bad")
    first = withdraw(store, "orders", DAY, bad.batch_id)
    store.blobs[path(first.batch_id)] = b""
    assert refusal(store).startswith(f"{path(first.batch_id)} is empty")
    withdraw(store, "orders", DAY, first.batch_id)
    assert bad in counted(store.manifests("orders", DAY))
    again = withdraw(store, "orders", DAY, bad.batch_id)
    assert again.batch_id != first.batch_id
    assert all(manifest.is_withdrawal for manifest in counted(store.manifests("orders", DAY)))


def test_a_batch_that_is_not_there_is_a_key_error_and_changes_nothing():
    store = MemoryStore()
    delivered(store, b"kept")
    before = dict(store.blobs)
    with pytest.raises(KeyError):
        withdraw(store, "orders", DAY, OTHER)
    assert store.blobs == before
