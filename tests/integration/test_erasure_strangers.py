"""An erasure takes the records of the person and nobody else's, whatever browsers, blanks and texts they share."""

import gzip
import hashlib
from dataclasses import replace
from datetime import date

import pytest
from pipeline import put, run_day

from retailflow.contracts import feed_contract
from retailflow_spark.privacy.erase import find, redact_day
from retailflow_spark.privacy.requests import RequestError, visitor_column

DAY = date(2026, 1, 15)
FEEDS = ("customers", "orders", "clickstream")
CANARY = "C.1001"
PERSON = hashlib.sha256(CANARY.encode()).hexdigest()
SHARED = hashlib.sha256(b"A-SHOP").hexdigest()


def event(key: str, visitor: str | None, customer: str | None, **more: object) -> dict:
    return {
        "event_id": key, "occurred_at": "2026-01-15T10:00:00Z", "received_at": "2026-01-15T10:00:01Z",
        "anonymous_id": visitor, "customer_id": customer, "event_type": "page_view", **more,
    }  # fmt: skip


def order(key: str, customer: str | None, **more: object) -> dict:
    return {
        "order_id": key, "customer_id": customer, "ordered_at": "2026-01-15T10:00:00Z", "currency": "EUR",
        "updated_at": "2026-01-15T10:00:00Z", "status": "paid", **more,
    }  # fmt: skip


def customer(key: str, **more: object) -> dict:
    return {"customer_id": key, "updated_at": "2026-01-15T10:00:00Z", **more}


EVENTS = (
    event("theirs, blank browser", "", CANARY),
    event("nobody, blank browser", "", None),
    event("theirs, placeholder", "Unknown", CANARY),
    event("nobody, placeholder", "unknown", None),
    event("theirs, own browser", "A-OWN", f" {CANARY}\n"),
    event("own browser, no customer", "A-OWN", None),
    event("own browser, blank customer", "A-OWN ", " "),
    event("theirs, shared browser", "A-SHOP", CANARY),
    event("stranger, shared browser", "A-SHOP", "C2"),
    event("nobody, shared browser", "A-SHOP", None),
    event("theirs, by an unknown field", "A-X", None, user={"ref": CANARY}),
    event("stranger, who mentions them", "A-Y", "C2", utm={"campaign": f"from {CANARY}"}, friend=CANARY),
    event("stranger", "A-Y", "C.10010"),
)
ORDERS = (
    order("theirs", CANARY),
    order("guest, blank customer", ""),
    order("stranger, by their coupon", "C2", coupon_codes=[CANARY]),
    order("theirs, renamed field", None, customerId=CANARY, shipping={"address": {"city": "Bonn"}}),
)
CUSTOMERS = (customer(CANARY), customer("C2", referrer=CANARY), customer(""))


@pytest.fixture
def loaded(tables, raw):
    put(raw, "clickstream", DAY, *EVENTS, f'{{"event_id": "cut", "customer_id": "{CANARY}')
    put(raw, "orders", DAY, *ORDERS)
    put(raw, "customers", DAY, *CUSTOMERS)
    for name in FEEDS:
        run_day(tables, raw, name, DAY)
    return tables


def erase(tables, raw, **asked) -> None:
    plan = find(tables, raw, customers=[PERSON], unconfirmed_records=100, **asked)
    for name in plan:
        redact_day(tables, raw, feed_contract(name), DAY, "1")
        run_day(tables, raw, name, DAY)


def events(tables) -> set[str]:
    return {row.event_id for row in tables.read("silver.clickstream").collect()}


def texts(raw) -> str:

    contents = (raw.read(name) for name in raw.names(""))
    return "".join(
        (gzip.decompress(one) if one[:2] == b"\x1f\x8b" else one).decode("utf-8", "replace") for one in contents
    )


def test_exactly_the_right_records_go_and_the_person_is_nowhere_afterwards(loaded, raw):
    erase(loaded, raw)
    assert events(loaded) == {
        "nobody, blank browser", "nobody, placeholder", "stranger, shared browser", "nobody, shared browser",
        "stranger, who mentions them", "stranger",
    }  # fmt: skip
    kept = {row.order_id: row for row in loaded.read("silver.orders").collect()}
    assert kept.keys() == {"theirs", "guest, blank customer", "stranger, by their coupon", "theirs, renamed field"}
    assert (kept["theirs"].customer_id, kept["stranger, by their coupon"].customer_id) == (None, "C2")
    assert kept["theirs, renamed field"].shipping.address.city is None
    assert {row.customer_id for row in loaded.read("silver.customers").collect()} == {"C2"}
    assert texts(raw).replace("C.10010", "").count(CANARY) == 0
    for table in (table.name for name in FEEDS for table in feed_contract(name).tables):
        assert str(loaded.read(table).collect()).replace("C.10010", "").count(CANARY) == 0, table
    assert find(loaded, raw) == {}


def test_a_shared_browser_goes_only_where_somebody_says_so(loaded, raw, capsys):
    erase(loaded, raw, browsers=[SHARED])
    assert "nobody, shared browser" not in events(loaded)
    assert "stranger, shared browser" in events(loaded)


def test_a_look_changes_nothing_until_it_is_confirmed(loaded, raw, capsys):
    before = texts(raw)
    assert find(loaded, raw, customers=[PERSON]) == {}
    assert find(loaded, raw) == {}
    assert texts(raw) == before
    said = capsys.readouterr().out
    assert "clickstream: 9 records on 1 dates (2 by browser, 4 by id, 1 by mention, 2 by text)\n" in said
    assert "orders: 3 records on 1 dates (1 by id, 1 by mention, 1 by text)\n" in said
    assert "customers: 2 records on 1 dates (1 by id, 1 by mention)\n" in said
    assert f"browser {SHARED} (events: 3, other customers: 1). It is not theirs alone; give it" in said
    assert "(a placeholder, events: 1, other customers: 0). It is no browser's id" in said
    assert CANARY not in said


def test_a_browser_with_more_events_than_a_person_makes_is_left_alone(tables, raw, monkeypatch, capsys):
    limited = replace(visitor_column(feed_contract("clickstream")), most_records=1)
    monkeypatch.setattr("retailflow_spark.privacy.search.visitor_column", lambda contract: limited)
    put(raw, "clickstream", DAY, event("E1", "A-KIOSK", CANARY), event("E2", "A-KIOSK", None))
    run_day(tables, raw, "clickstream", DAY)
    find(tables, raw, customers=[PERSON])
    assert "(events: 2, other customers: 0). It is not theirs alone" in capsys.readouterr().out
    erase(tables, raw)
    assert events(tables) == {"E2"}


@pytest.mark.parametrize("nobody", ["", " ", "unknown", "0", "null", "anonymous"])
def test_a_request_for_nobody_is_refused(tables, raw, nobody):
    with pytest.raises(RequestError, match="1 of the digests are those of a blank or placeholder id"):
        find(tables, raw, customers=[hashlib.sha256(nobody.strip().encode()).hexdigest()])


def test_without_a_request_no_table_is_read(loaded, raw):
    for name in FEEDS:
        loaded.spark.sql(f"DROP TABLE {loaded.path(f'bronze.{name}')}")
    assert find(loaded, raw) == {}
