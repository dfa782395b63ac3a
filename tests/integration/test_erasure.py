"""A customer is erased: no file holds them, everybody else is as before, and no replay brings them back.

Every file is searched as it lies on the disk: data, change feeds, commits, checkpoints, and RAW. Each job reaches RAW
with the rights of its identity.
"""

import gzip
import hashlib
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from io import StringIO

import pyarrow.parquet as pq
import pytest
from pipeline import empty_catalog, everything, put, restricted, run_day

from retailflow.contracts import feed_contract, gold_table
from retailflow.raw import withdraw
from retailflow_local.azurite import DATA_ACTIONS
from retailflow_spark.delta import upkeep
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.privacy import requests
from retailflow_spark.privacy.erase import find, redact_day
from retailflow_spark.privacy.purge import ErasureError, finish
from retailflow_spark.publish.release import newest, publish

pytestmark = pytest.mark.full

DAYS = [date(2026, 1, 15), date(2026, 1, 16)]
FEEDS = ("customers", "orders", "store_sales", "clickstream")
GOLD = ("dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales", "daily_revenue_mart",
        "fact_web_sessions")  # fmt: skip
TABLES = [table.name for name in FEEDS for table in feed_contract(name).tables] + [f"gold.{name}" for name in GOLD]
WORDS = ("C-CANARY", "Canaria", "canaria@example.com", "+49123456789", "1971-03-09", "Kanarienweg", "A-CANARY")
RECEIPTS = (
    # For each day: the batches that counted, then their old files, one of a withdrawn batch and one without a batch.
    *(("clickstream", count) for count in (2, 2, 2, 2, 1)),
    *(("customers", 1), ("customers", 1), ("orders", 3), ("orders", 3), ("orders", 1)),
    *(("store_sales", 1), ("store_sales", 1)),
)
PERSON = hashlib.sha256(b"C-CANARY").hexdigest()


def customer(key: str, given: str, day: date) -> dict:
    return {
        "customer_id": key, "first_name": given, "last_name": "Vogel", "email": f"{given.lower()}@example.com",
        "phone": "+49123456789" if given == "Canaria" else "+1", "updated_at": f"{day}T01:00:00Z",
        "birth_date": "1971-03-09" if given == "Canaria" else "1980-01-01",
        "address": {"country": "DE", "city": "Kanarienweg" if given == "Canaria" else "Bonn"},
        "loyalty_tier": str(day),
    }  # fmt: skip


def order(key: str, buyer: str | None, day: date, price: str, currency: str = "EUR") -> dict:
    line = {"line_number": 1, "product_id": "P1", "quantity": 2, "unit_price": price}
    city = "Kanarienweg" if buyer == "C-CANARY" else "Bonn"
    return {
        "order_id": key, "customer_id": buyer, "ordered_at": "2026-01-15T10:00:00Z", "updated_at": f"{day}T10:00:00Z",
        "status": "paid", "currency": currency, "lines": [line],
        "shipping": {"amount": "1.5", "address": {"country": "DE", "city": city}},
    }  # fmt: skip


def receipt(key: str, buyer: str | None, day: date) -> dict:
    return {
        "receipt_id": key, "line_number": 1, "revision": 0, "sold_at_local": f"{day}T12:00:00", "product_id": "P1",
        "quantity": 1, "unit_price": "3.25", "currency": "EUR", "customer_id": buyer,
    }  # fmt: skip


def event(key: str, visitor: str, buyer: str | None, day: date) -> dict:
    return {
        "event_id": key, "occurred_at": f"{day}T10:00:00Z", "received_at": f"{day}T10:00:01Z", "anonymous_id": visitor,
        "customer_id": buyer, "event_type": "page_view",
    }  # fmt: skip


def deliver(raw, day: date) -> None:
    put(raw, "customers", day, customer("C-CANARY", "Canaria", day), customer("C-2", "Bertha", day))
    orders = [order("O1", "C-CANARY", day, "10"), order("O2", "C-2", day, "20"), order("O3", None, day, "30")]
    bad = order(f"O4{day}", "C-CANARY", day, "40", currency="unknown")
    unknown = f'{{"order_id": "O5", "customerId": "C-CANARY", "name": "Canaria", "at": "{day}"}}'
    put(raw, "orders", day, *orders, bad, unknown)
    put(raw, "store_sales", day, receipt(f"R1{day}", "C-CANARY", day), receipt(f"R2{day}", "C-2", day))
    known = [event(f"E1{day}", "A-CANARY", "C-CANARY", day), event(f"E2{day}", "A-2", "C-2", day)]
    put(raw, "clickstream", day, *known, f'{{"event_id": "E3", "customer_id": "C-CANARY", "at": "{day}')
    # Before the person signed in; and at a browser of two people, one of whom stays.
    both = [event(f"E5{day}", "A-BOTH", "C-CANARY", day), event(f"E6{day}", "A-BOTH", "C-2", day)]
    put(raw, "clickstream", day, event(f"E4{day}", "A-CANARY", None, day), *both)
    # Delivered by mistake and withdrawn; and a file left by a delivery that was killed before its manifest.
    batch = put(raw, "clickstream", day, event(f"E7{day}", "A-CANARY", "C-CANARY", day))
    withdraw(raw, "clickstream", day, batch.batch_id)
    raw.create(f"orders/ingestion_date={day}/batch_HALF.json", b'[{"orders": [{"customer_id": "C-CANARY"}]}]')


def build(tables) -> None:
    for name in GOLD:
        refresh(tables, gold_table(name))


def rebuild(tables, jobs, eraser, plan) -> None:
    for name, days in plan.items():
        for day in map(date.fromisoformat, days):
            redact_day(tables, eraser, feed_contract(name), day, "1")
            run_day(tables, jobs, name, day)
    build(tables)
    publish(tables)


def revenue(tables) -> list:
    asked = "SELECT channel, sum(order_count), sum(net_amount) FROM spark_catalog.gold.daily_revenue_mart GROUP BY ALL"
    return sorted(map(tuple, tables.spark.sql(asked).collect()))


def of_others(tables) -> list[str]:
    """Return the rows of C-2, without the places of the records in RAW, which may change."""
    rows = []
    for name in ("silver.customers", "silver.orders", "silver.store_sales", "silver.clickstream", "gold.dim_customer"):
        frame = tables.read(name).where("customer_id = 'C-2'")
        rows += [name + repr(row) for row in frame.drop(*(c for c in frame.columns if c.startswith("_"))).collect()]
    return sorted(rows)


def texts(workspace, raw):
    """Yield the name of every file and its text."""
    for path in workspace.root.rglob("*"):
        if (path.is_file() and "_delta_log" in path.parts) or path.suffix == ".parquet":
            is_parquet = path.suffix == ".parquet"
            yield str(path), str(pq.read_table(path).to_pylist()) if is_parquet else path.read_bytes().decode("latin-1")
    for name in raw.names(""):
        content = raw.read(name)
        yield name, (gzip.decompress(content) if name.endswith(".gz") else content).decode("latin-1")


def found_in(workspace, raw) -> dict[str, list[str]]:
    hits = {name: [word for word in WORDS if word in text] for name, text in texts(workspace, raw)}
    return {name: words for name, words in hits.items() if words}


@pytest.fixture(autouse=True)
def deliveries_are_old(monkeypatch):
    """A file that no manifest names is dead at once."""
    monkeypatch.setattr("retailflow_spark.privacy.redaction._UNDER_WAY", timedelta(0))


@pytest.fixture(scope="module")
def jobs(workspace, module_raw):
    """RAW with the rights of all jobs except those of the erasure."""
    return restricted(workspace, module_raw, DATA_ACTIONS["ingestion"])


@pytest.fixture(scope="module")
def eraser(workspace, module_raw):
    return restricted(workspace, module_raw, DATA_ACTIONS["eraser"])


@pytest.fixture(scope="module")
def before(module_tables, module_raw, jobs) -> dict:
    for day in DAYS:
        deliver(module_raw, day)
        for name in FEEDS:
            run_day(module_tables, jobs, name, day)
        build(module_tables)
    publish(module_tables)
    return {"revenue": revenue(module_tables), "others": of_others(module_tables)}


class Erasure:
    """The erasure of the person. Each step runs once, when a test first needs it."""

    def __init__(self, tables, raw, jobs, eraser, workspace) -> None:
        self.tables, self.raw, self.jobs, self.eraser, self.workspace = tables, raw, jobs, eraser, workspace

    @cached_property
    def request(self) -> tuple[dict, str]:
        """Request it. Returns the plan, which waits for a confirmation, and what `find` printed."""
        with redirect_stdout(StringIO()) as said:
            plan = find(self.tables, self.jobs, customers=[PERSON])
        return plan, said.getvalue()

    @cached_property
    def confirmation(self) -> dict:
        """Confirm the request. Returns the plan."""
        return find(self.tables, self.jobs, confirm=self.request[1].rpartition("confirm = ")[2].strip())

    @cached_property
    def interruption(self) -> dict:
        """Redact and rebuild one date, and die. Returns the plan of the next run."""
        assert self.confirmation
        redact_day(self.tables, self.eraser, feed_contract("clickstream"), DAYS[0], "4")
        run_day(self.tables, self.jobs, "clickstream", DAYS[0])
        return find(self.tables, self.jobs)

    @cached_property
    def end(self) -> tuple[str, dict, str, dict]:
        """Erase to the end.

        Returns: what `finish` said before the older versions had settled, where the person still was, what it said
        afterwards, and for each vacuumed table whether readers were at its newest version.
        """
        assert self.interruption
        vacuum, published = upkeep.vacuum, {}

        def look_and_vacuum(tables, name):
            published[name] = newest(tables)[1].get(name) == tables.version(name)
            vacuum(tables, name)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(upkeep, "vacuum", look_and_vacuum)
            rebuild(self.tables, self.jobs, self.eraser, find(self.tables, self.jobs))
            assert find(self.tables, self.jobs) == {}
            first = finish(self.tables, lambda: self.eraser, 24, "6")
            left = found_in(self.workspace, self.raw)
            return first, left, finish(self.tables, lambda: self.eraser, 0, "7"), published


@pytest.fixture(scope="module")
def erasure(module_tables, module_raw, jobs, eraser, workspace, before) -> Erasure:
    return Erasure(module_tables, module_raw, jobs, eraser, workspace)


def test_the_person_is_found_wherever_they_are_and_nowhere_in_the_log_of_a_table(
    module_tables, module_raw, jobs, eraser, workspace, erasure, capsys
):
    found = found_in(workspace, module_raw)
    assert {word for words in found.values() for word in words} == set(WORDS)
    assert [name for name in found if "_delta_log" in name] == []
    assert find(module_tables, jobs) == {}
    assert finish(module_tables, lambda: pytest.fail("RAW is not needed"), 0, "3") == "No request is open."
    plan, said = erasure.request
    assert plan == {}
    assert "clickstream: 10 records on 2 dates (2 by browser, 6 by id, 2 by text)\n" in said
    assert "customers: 2 records on 2 dates (2 by id)\n" in said
    assert "left alone: browser " + hashlib.sha256(b"A-BOTH").hexdigest() in said
    assert found_in(workspace, module_raw) == found
    assert find(module_tables, jobs, confirm="0" * 12) == {}
    assert "The numbers differ from those that were confirmed" in capsys.readouterr().out
    assert erasure.confirmation == {
        "clickstream": {str(day): 5 for day in DAYS},
        "customers": {str(day): 1 for day in DAYS},
        "orders": {str(day): 4 for day in DAYS},
        "store_sales": {str(day): 1 for day in DAYS},
    }
    with pytest.raises(ErasureError, match=r"bronze.customers \(2 rows\).*the published gold.dim_customer"):
        finish(module_tables, lambda: eraser, 0, "3")


def test_a_crash_after_some_dates_leaves_the_rest_to_be_found(module_tables, eraser, erasure):
    """For visits without a customer, only the request says whose browser it was."""
    assert erasure.interruption["clickstream"] == {str(DAYS[1]): 5}
    redact_day(module_tables, eraser, feed_contract("orders"), DAYS[0], "4")
    assert redact_day(module_tables, eraser, feed_contract("orders"), DAYS[0], "5") == 0  # BRONZE is yet to be rebuilt


def test_afterwards_no_file_has_the_person_and_everybody_else_is_as_before(
    module_tables, module_raw, eraser, workspace, before, erasure
):
    first, left, second, published = erasure.end
    assert first.startswith("Gone from all tables; the files of older versions")
    assert left
    assert second.startswith("2 requests closed")  # the customer and their browser
    assert found_in(workspace, module_raw) == {}
    # Readers are at the newest version, the only one that they can read while a table keeps no older one.
    assert {name for name, is_newest in published.items() if is_newest} == {
        "gold.dim_customer", "gold.fact_orders", "gold.fact_sales", "gold.fact_web_sessions",
    }  # fmt: skip
    assert revenue(module_tables) == before["revenue"]
    assert of_others(module_tables) == before["others"]
    assert finish(module_tables, lambda: eraser, 0, "8") == "No request is open."


def test_the_receipts_name_each_batch_that_was_written_anew(module_tables, erasure):
    assert erasure.end
    rows = module_tables.read("ops.redactions").collect()
    assert sorted((row.name, str(row.ingestion_date), row.record_count) for row in rows) == sorted(
        (name, str(day), count) for day in DAYS for name, count in RECEIPTS
    )


def test_a_customer_who_comes_again_is_found_again(module_tables, module_raw, jobs, eraser, workspace, erasure):
    assert erasure.end
    put(module_raw, "customers", DAYS[1], customer("C-CANARY", "Canaria", DAYS[1]))
    run_day(module_tables, jobs, "customers", DAYS[1])
    plan = find(module_tables, jobs)
    assert plan == {"customers": {str(DAYS[1]): 1}}
    rebuild(module_tables, jobs, eraser, plan)
    assert finish(module_tables, lambda: eraser, 0, "9").startswith("2 requests closed")
    assert found_in(workspace, module_raw) == {}


def test_a_replay_of_everything_from_raw_gives_the_same_tables(module_tables, jobs, erasure):
    assert erasure.end
    erased = {name: everything(module_tables, name) for name in TABLES}
    clean = empty_catalog(module_tables.spark)
    for day in reversed(DAYS):
        for name in FEEDS:
            run_day(clean, jobs, name, day)
    build(clean)
    assert {name: everything(clean, name) for name in TABLES} == erased


def test_a_table_whose_newest_rows_are_not_published_yet_keeps_its_files(
    module_tables, module_raw, jobs, eraser, erasure
):
    """Delta would refuse the version that readers see, and with it all of GOLD."""
    assert erasure.end
    publish(module_tables)
    put(module_raw, "customers", DAYS[1], customer("C-3", "Carla", DAYS[1]))
    run_day(module_tables, jobs, "customers", DAYS[1])
    refresh(module_tables, gold_table("dim_customer"))
    nobody = hashlib.sha256(b"C-NOBODY").hexdigest()
    assert find(module_tables, jobs, customers=[nobody], unconfirmed_records=9) == {}
    requests.mark(module_tables, [nobody], rebuilt_at=datetime.now(UTC) - timedelta(hours=25))
    behind = r"gold\.dim_customer cannot lose its older versions: .* is still at version"
    with pytest.raises(ErasureError, match=behind):
        finish(module_tables, lambda: eraser, 24, "10")


def test_only_feeds_with_people_are_looked_at():
    assert {contract.name for contract in requests.personal()} == set(FEEDS)
