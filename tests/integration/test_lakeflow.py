"""Orders by the declarative pipeline: open-source Spark runs it on real Delta, with the same tables as the jobs."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pipeline import everything, new_container, put, run_day

from retailflow.contracts import feed_contract
from retailflow.manifests import ulid
from retailflow.raw import Part, batches_path, day_path, deliver, withdraw
from retailflow_local.lakeflow import update
from retailflow_local.simulator.files import parts
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import World
from retailflow_spark.privacy.redaction import redact
from retailflow_spark.privacy.subjects import Found, Subjects, digest

DAY, NEXT = date(2026, 1, 15), date(2026, 1, 16)
LAYERS = ("bronze", "silver", "quarantine")
LINE = {"line_number": 1, "product_id": "P1", "quantity": 2, "unit_price": "9.9900", "tax_amount": "1.9"}
ORDER = {
    "order_id": "O1",
    "ordered_at": "2026-01-15T10:00:00+01:00",
    "updated_at": "2026-01-15T10:00:00Z",
    "status": "paid",
    "currency": "EUR",
    "shipping": {"amount": "4.9", "address": {"country": "DE"}},
    "coupon_codes": ["NEW"],
    "lines": [LINE],
}
BAD = {"order_id": None, "currency": "eur", "lines": [LINE | {"quantity": 0}, LINE | {"tax_amount": "-1"}]}


def test_an_update_gives_the_tables_of_the_jobs_row_for_row(workspace, tables, raw):
    put(raw, "orders", DAY, ORDER, ORDER, ORDER | BAD)
    put(raw, "orders", NEXT, ORDER | {"updated_at": "2026-01-16T10:00:00Z", "status": "shipped"}, ORDER)
    assert update(workspace, raw.root, full_refresh=True) == 0
    assert_as_the_jobs_have_it(tables, raw, DAY, NEXT)
    assert sizes(tables) == {"bronze": 5, "silver": 1, "quarantine": 1}
    assert tables.read("silver.orders_lakeflow").first().status == "shipped"


@pytest.mark.full
def test_updates_follow_what_comes_late_and_a_full_refresh_changes_nothing(workspace, tables, raw):
    trouble = Trouble(duplicates=0.05, resends=0.05, late=0.05, bad=0.1, new_columns=True)
    world = World(scale=0.05)
    for day in (DAY, NEXT):
        simulated(raw, world, day, trouble)
    unseen = put(raw, "orders", DAY)  # a delivery of no records
    half = "orders/ingestion_date=2026-01-15/batch_01HALFWAY.json"
    raw.create(half, b'[{"orders": [')
    assert update(workspace, raw.root, full_refresh=True) == 0
    assert_as_the_jobs_have_it(tables, raw, DAY, NEXT)
    first = sizes(tables)
    assert min(first.values()) > 0
    assert unseen.files == ()

    put(raw, "orders", DAY, ORDER | {"updated_at": "2026-01-14T10:00:00Z"}, ORDER | BAD)  # an old version, late
    put(raw, "orders", NEXT, ORDER | {"ordered_at": "2026-01-16T09:00:00Z"})  # a second date for the key
    simulated(raw, world, NEXT + timedelta(days=1), trouble)
    assert update(workspace, raw.root) == 0
    assert_as_the_jobs_have_it(tables, raw, DAY, NEXT, NEXT + timedelta(days=1))
    assert all(sizes(tables)[layer] > first[layer] for layer in LAYERS)

    last = {layer: everything(tables, f"{layer}.orders_lakeflow") for layer in LAYERS}
    for again in (False, True):
        assert update(workspace, raw.root, full_refresh=again) == 0
        assert {layer: everything(tables, f"{layer}.orders_lakeflow") for layer in LAYERS} == last


@pytest.mark.full
def test_a_bad_batch_stops_updates_until_it_is_withdrawn_and_all_is_refreshed(workspace, tables, raw, capfd):
    put(raw, "orders", DAY, ORDER)
    assert update(workspace, raw.root, full_refresh=True) == 0
    spoilt = deliver(raw, "orders", DAY, ulid(datetime.now(UTC), "x"), datetime.now(UTC), [Part(".json", b"[]", 3)])
    assert update(workspace, raw.root) == 1
    assert "holds 0 records; its manifest says 3" in capfd.readouterr().err
    assert sizes(tables)["bronze"] == 1
    emptied = put(raw, "orders", DAY, ORDER | {"order_id": "O4"})
    raw._container.upload_blob(f"{batches_path('orders', DAY)}/{emptied.batch_id}.json", b"", overwrite=True)
    for batch in (spoilt, emptied):
        withdraw(raw, "orders", DAY, batch.batch_id)
    for order_id, refresh in (("O2", True), ("O3", False)):  # it does not come back with a later update either
        put(raw, "orders", DAY, ORDER | {"order_id": order_id})
        assert update(workspace, raw.root, full_refresh=refresh) == 0
    assert_as_the_jobs_have_it(tables, raw, DAY)


@pytest.mark.full
def test_a_batch_waits_for_its_manifest_and_for_its_files(workspace, tables, raw, monkeypatch):
    """Whatever part of a batch an update sees, a later update reads the batch when it is whole."""
    whole = new_container(workspace)
    put(whole, "orders", DAY, ORDER)
    by_name = {name: whole.read(name) for name in whole.names("orders/")}
    first, second = sorted(by_name, key=lambda name: "_batches" not in name)
    put(raw, "orders", NEXT, ORDER)
    for name, stored in ((first, 0), (second, 1)):
        raw.create(name, by_name[name])
        assert update(workspace, raw.root, full_refresh=name == first) == 0
        assert tables.read("bronze.orders_lakeflow").where("ingestion_date = '2026-01-15'").count() == stored
        account = {row.record_count: row.stored_count for row in files_of(tables, DAY)}
        assert account == {1: stored}


@pytest.mark.full
def test_a_redacted_batch_is_noticed_and_takes_the_place_of_the_old_one_with_a_full_refresh(workspace, tables, raw):
    old = put(raw, "orders", DAY, ORDER | {"customer_id": "C1"}, ORDER | {"order_id": "O2"})
    assert update(workspace, raw.root, full_refresh=True) == 0
    gone = Subjects(frozenset({digest("C1")}))
    new = redact(raw, feed_contract("orders"), old, {old.files[0].name: {0: Found.BY_ID}}, gone)
    raw.delete(f"{day_path('orders', DAY)}/{old.files[0].name}")
    assert update(workspace, raw.root) == 0
    account = {
        row._source_file.rpartition("/")[2]: (row.record_count, row.stored_count) for row in files_of(tables, DAY)
    }
    assert account == {old.files[0].name: (0, 2), new.files[0].name: (2, 2)}
    assert update(workspace, raw.root, full_refresh=True) == 0
    assert_as_the_jobs_have_it(tables, raw, DAY)
    assert "C1" not in str(everything(tables, "bronze.orders_lakeflow"))


def simulated(raw, world: World, day: date, trouble: Trouble) -> None:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    deliver(raw, "orders", day, ulid(moment, "simulated"), moment, parts(world, "orders", day, trouble))


def assert_as_the_jobs_have_it(tables, raw, *days: date) -> None:
    for day in days:
        run_day(tables, raw, "orders", day)
    for layer in LAYERS:
        assert everything(tables, f"{layer}.orders_lakeflow") == everything(tables, f"{layer}.orders"), layer
        assert tables.read(f"{layer}.orders_lakeflow").dtypes == tables.read(f"{layer}.orders").dtypes
    assert tables.read("bronze.orders_files_lakeflow").where("record_count <> stored_count").count() == 0


def sizes(tables) -> dict[str, int]:
    return {layer: tables.read(f"{layer}.orders_lakeflow").count() for layer in LAYERS}


def files_of(tables, day: date) -> list:
    return tables.read("bronze.orders_files_lakeflow").where(f"_source_file LIKE '%={day}/%'").collect()
