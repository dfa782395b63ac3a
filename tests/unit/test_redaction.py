"""Redaction of a file's bytes, without Spark: a person's values go or become null, the rest keeps text and order."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice

import pytest
from memory_store import MemoryStore

from retailflow.contracts import FeedContract, feed_contract, feeds
from retailflow.manifests import counted, neighbours, ulid
from retailflow.raw import Part, deliver
from retailflow_spark.privacy import redaction
from retailflow_spark.privacy.redaction import RedactionError, dead_files, redact, rewrite
from retailflow_spark.privacy.subjects import CUSTOMER, Found, Subjects, digest

DAY, MOMENT = date(2026, 1, 15), datetime(2026, 1, 16, tzinfo=UTC)
ORDER = (
    b'{"order_id": "O1", "customer_id": "C1",'
    b' "shipping": {"amount": 1.10, "address": {"country": "DE", "city": "Bonn"}},'
    b' "lines": [{"line_number": 1, "note": "x"}], "gift_to": "Canaria"}'
)


ADA = Subjects(frozenset({digest("C1-ADA")}))
BY_ID, MENTIONED = Found.BY_ID, Found.MENTIONED


def feed(name: str) -> FeedContract:
    """Return a contract without required columns, so that the records here can be short."""
    contract = feed_contract(name)
    columns = tuple(replace(column, required=False) for column in contract.silver.columns)
    return replace(contract, silver=replace(contract.silver, columns=columns))


def test_an_order_keeps_its_goods_and_loses_the_person_and_what_no_contract_names():
    payload = b'[{"orders": [%s, {"order_id":  "O2"}], "next_cursor": null}]' % ORDER
    text, count = rewrite(payload, feed("orders"), {0: BY_ID}, ADA)
    first, second = json.loads(text)[0]["orders"]
    assert (count, second) == (2, {"order_id": "O2"})
    assert b'{"order_id":  "O2"}' in text
    assert b'"amount":1.10' in text
    assert first == {
        "order_id": "O1",
        "customer_id": None,
        "shipping": {"amount": 1.1, "address": {"country": None, "city": None}},
        "lines": [{"line_number": 1}],
    }


@pytest.mark.parametrize("given", [b'{"shipping": "Canaria, Bonn"}', b'{"order_id": "O1", "order_id": "O2"}', b"NaN"])
def test_a_record_that_cannot_be_read_is_removed(given):
    text, count = rewrite(b'[{"orders": [%s, {"order_id": "O3"}]}]' % given, feed("orders"), {0: Found.BY_TEXT}, ADA)
    assert (text, count) == (b'[{"orders":[{"order_id": "O3"}]}]', 1)


def test_a_record_of_somebody_else_loses_only_what_mentions_the_person():
    record = {
        "order_id": "O1", "customer_id": "C2", "referrer": "C1-ADA", "coupon_codes": ["TEN", "C1-ADA"],
        "shipping": {"method": "for C1-ADA", "address": {"city": "Bonn"}},
    }  # fmt: skip
    text, _ = rewrite(json.dumps([{"orders": [record]}]).encode(), feed("orders"), {0: MENTIONED}, ADA)
    assert json.loads(text)[0]["orders"] == [
        {
            "order_id": "O1", "customer_id": "C2", "coupon_codes": ["TEN", None],
            "shipping": {"method": None, "address": {"city": "Bonn"}},
        }
    ]  # fmt: skip


def test_a_customer_is_removed_from_the_pages():
    text, count = rewrite(
        b'[{"customers": [{"customer_id": "C1"}, {"customer_id": "C2"}]}]', feed("customers"), {0: BY_ID}, ADA
    )
    assert (text, count) == (b'[{"customers":[{"customer_id": "C2"}]}]', 1)


def test_a_line_that_cannot_be_read_is_removed_and_the_others_keep_their_bytes():
    payload = gzip.compress(b'{"event_id": "E1"}\n{"customer_id": "C1\xff\n{"event_id":  "E2"}\n')
    text, count = rewrite(payload, feed("clickstream"), {1: BY_ID}, ADA)
    assert (gzip.decompress(text), count) == (b'{"event_id": "E1"}\n{"event_id":  "E2"}\n', 2)


def test_a_file_of_only_their_records_becomes_empty_and_stays_readable():
    text, count = rewrite(gzip.compress(b'{"event_id": "E1"}\n'), feed("clickstream"), {0: BY_ID}, ADA)
    assert (gzip.decompress(text), count) == (b"", 0)


HEADER = "receipt_id,line_number,revision,customer_id,sold_at_local,product_id,quantity,unit_price,currency,nick\r\n"


def test_a_receipt_keeps_its_goods_and_other_lines_their_quotes():
    other = '"R2",1,0,C2,2026-01-15T10:00:00,"P\n2",1,1.50,EUR,a\r\n'
    payload = f"{HEADER}R1,1,0,C1,2026-01-15T10:00:00,P1,1,1.50,EUR,Canaria\r\n\r\n{other}C1,too,short\r\n"
    text, count = rewrite(payload.encode(), feed("store_sales"), {0: BY_ID, 2: Found.BY_TEXT}, ADA)
    assert text.decode() == f"{HEADER}R1,1,0,,2026-01-15T10:00:00,P1,1,1.50,EUR,\n{other}"
    assert count == 2


def test_a_rewrite_that_would_touch_others_is_refused(monkeypatch):
    kept = redaction._kept
    monkeypatch.setattr(redaction, "_kept", lambda *asked: list(kept(*asked))[:-1])
    with pytest.raises(RedactionError, match="customers cannot be redacted"):
        rewrite(b'[{"customers": [{"customer_id": "C1"}, {"customer_id": "C2"}]}]', feed("customers"), {0: BY_ID}, ADA)


def test_the_redacted_batch_replaces_the_old_one_whose_file_goes_last():
    store, contract = MemoryStore(), feed("clickstream")
    parts = [Part(f".h{hour:02}.ndjson.gz", gzip.compress(b'{"event_id": "E%d"}\n' % hour), 1) for hour in range(3)]
    old = deliver(store, contract.name, DAY, ulid(MOMENT, "a"), MOMENT, parts)
    later = deliver(store, contract.name, DAY, ulid(MOMENT, "b"), MOMENT, parts)

    new = redact(store, contract, old, {old.files[1].name: {0: BY_ID}}, ADA)
    assert (new.supersedes, new.created_at) == (old.batch_id, old.created_at)
    assert [file.records for file in new.files] == [1, 0, 1]
    assert (new.files[0], new.files[2]) == (old.files[0], old.files[2])
    assert [file.name for file in new.files] == sorted(file.name for file in new.files)
    assert sorted([old.batch_id, later.batch_id, new.batch_id]).index(new.batch_id) == (
        sorted([old.batch_id, later.batch_id, new.batch_id]).index(old.batch_id) + 1
    )
    assert counted(store.manifests(contract.name, DAY)) == sorted([new, later], key=lambda batch: batch.batch_id)

    folder = f"{contract.name}/ingestion_date={DAY}"
    assert store.exists(f"{folder}/{old.files[1].name}")
    assert redact(store, contract, old, {old.files[1].name: {0: BY_ID}}, ADA) == new
    assert dead_files(store, contract.name, DAY) == [f"{folder}/{old.files[1].name}"]


def test_a_file_that_no_manifest_names_is_dead_only_after_a_day(monkeypatch):
    store = MemoryStore()
    path = f"orders/ingestion_date={DAY}/batch_half.json"
    store.create(path, b"[]")
    assert dead_files(store, "orders", DAY) == [path]
    monkeypatch.setattr(store, "modified", lambda prefix: {path: datetime.now(UTC)})
    assert dead_files(store, "orders", DAY) == []


def test_the_neighbours_of_a_ulid_sort_next_to_it():
    first = ulid(MOMENT, "a")
    after, before, after_that = islice(neighbours(first), 3)
    assert sorted([after_that, after, before, first]) == [before, first, after, after_that]
    assert next(neighbours("0" * 25 + "Z")) == "0" * 24 + "10"


def test_each_feed_that_names_a_customer_says_what_becomes_of_their_records():
    for contract in feeds():
        columns = {column.name for column in contract.feed_columns}
        personal = CUSTOMER in columns or any(c.classification == "restricted" for c in contract.feed_columns)
        assert (contract.erasure in ("remove", "anonymise")) == personal, contract.name
        if contract.erasure == "anonymise":
            assert not any(c.required for c in contract.feed_columns if redaction._is_personal(c)), contract.name
        assert contract.erasure is None or contract.format in redaction._ENDING


def test_a_record_to_remove_is_never_only_blanked():
    contract = replace(feed("orders"), erasure="remove")
    text, count = rewrite(b'[{"orders": [%s]}]' % ORDER, contract, {0: BY_ID}, ADA)
    assert (text, count) == (b'[{"orders":[]}]', 0)
