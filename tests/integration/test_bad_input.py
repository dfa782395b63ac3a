"""The effect of bad input, kind by kind (docs/bad-input.md), on real Spark, Delta and Azurite."""

import gzip
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_records import CASES, SOUND
from pipeline import csv_text, everything, put, run_day
from pyspark.sql import functions as F
from received import received

from retailflow.contracts import feed_contract, gold_table
from retailflow.manifests import ulid
from retailflow.raw import Part, deliver
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.bronze.encoding import BadFile
from retailflow_spark.bronze.load import load_day
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import publish
from retailflow_spark.silver.balance import open_dates
from retailflow_spark.silver.validate import REASONS, validate

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, tzinfo=UTC)


def file_of(feed: str, records: list) -> bytes:
    if feed_contract(feed).format == "csv":
        return csv_text([SOUND[feed] | {"discount_amount": None, "city": None}, *records]).encode()
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    listed = f'{{"{feed}": [{", ".join(texts)}]}}'
    lines = "".join(f"{text}\n" for text in texts).encode()
    return {
        "json_pages": f"[{listed}]".encode(),
        "json_document": listed.encode(),
        "ndjson": lines,
        "ndjson_gzip": gzip.compress(lines),
    }[feed_contract(feed).format]


@pytest.fixture(scope="module")
def validated(spark) -> dict[int, dict]:
    """The result of each case in SILVER, by the case's identity. All cases of a feed are in one file."""
    found = {}
    for feed in SOUND:
        cases = [case for case in CASES if case.feed == feed]
        extra = [None] if feed_contract(feed).format == "csv" else []  # the row that names all fields of the header
        payload = file_of(feed, [case.record for case in cases])
        rows = validate(received(spark, feed, payload, len(cases) + len(extra)), feed_contract(feed)).orderBy(
            "_position"
        )
        values = {row._position: row.asDict() for row in rows.where(F.size(REASONS) == 0).collect()}
        reasons = rows.select("_position", REASONS).collect()
        for case, row in zip([*extra, *cases], reasons, strict=True):
            found[id(case)] = values.get(row._position) or {REASONS: row[REASONS]}
    return found


@pytest.mark.parametrize("case", CASES, ids=[f"{case.kind}-{case.feed}-{n}" for n, case in enumerate(CASES)])
def test_a_record_is_taken_or_quarantined_with_its_reasons(validated, case):
    row = validated[id(case)]
    assert row[REASONS] == list(case.reasons)
    assert {name: _plain(row[name]) for name in case.values} == {n: _plain(v) for n, v in case.values.items()}


def _plain(value):
    return value.astimezone(UTC) if isinstance(value, datetime) else value


FILES = {
    "other encoding": ("stores", ".csv", "store_id,name\nS1,Käse\n".encode("utf-16"), 1, "it seems to be UTF-16"),
    "workbook": ("stores", ".csv", b"PK\x03\x04", 1, "it seems to be a ZIP archive or an Excel workbook"),
    "cut gzip": ("clickstream", ".ndjson.gz", gzip.compress(b"{}\n")[:-3], 1, "is cut off"),
    "bytes after gzip": ("clickstream", ".ndjson.gz", gzip.compress(b"{}\n") + b"x", 1, "bytes after its last gzip"),
    "gzip in gzip": ("clickstream", ".ndjson.gz", gzip.compress(gzip.compress(b"{}\n")), 1, "is compressed twice"),
    "error page": ("orders", ".json", b'[{"error": "no"}]', 1, "has no array 'orders'"),
    "cut page": ("orders", ".json", b'[{"orders": [{"order_id": "O1"}', 1, "is not valid JSON near byte"),
    "name twice in a page": ("orders", ".json", b'[{"orders": [], "orders": []}]', 0, "has a name twice"),
    "empty CSV": ("stores", ".csv", b"", 0, "is empty: a CSV file has at least its header"),
    "column twice": ("stores", ".csv", b"store_id,name,store_id\n", 0, "the same name in its header twice"),
    "renamed column": ("stores", ".csv", b"id,name\n" + b"S1,x\n" * 100, 100, "lacks store_id, timezone, updated_at"),
    "no header": ("stores", ".csv", b"S-77,C-jane.doe\n" * 101, 100, "which the contract requires, in all its records"),
    "no Parquet": ("inventory", ".parquet", b"PAR1", 1, "is not a Parquet file that can be read"),
    "other count": ("payments", ".ndjson", b"{}\n", 7, "holds 1 records; its manifest says 7"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_taken_fails_its_day_by_its_name_and_quotes_nothing(tables, raw, kind):
    feed, suffix, payload, records, said = FILES[kind]
    batch = deliver(raw, feed, DAY, ulid(NOW, kind), NOW, [Part(suffix, payload, records)]).batch_id
    with pytest.raises(BadFile) as failure:
        load_day(tables, raw, feed_contract(feed), DAY)
    assert said in str(failure.value)
    assert f"{feed}/ingestion_date=2026-01-15/batch_{batch}{suffix}" in str(failure.value)
    assert str(failure.value).endswith(f"withdraw this one: {feed} 2026-01-15 {batch}.")
    assert "jane" not in str(failure.value)
    assert tables.read(f"bronze.{feed}").count() == 0


LINES = b'{"event_id": "E1"}\n{"event_id": "E2"}\n'
BOM = "\ufeff".encode()
ACCEPTED = {
    "byte order mark": ("clickstream", ".ndjson.gz", gzip.compress(BOM + BOM + LINES)),
    "several gzip members": ("clickstream", ".ndjson.gz", gzip.compress(LINES[:20]) + gzip.compress(BOM + LINES[20:])),
    "blank lines": ("payments", ".ndjson", b'\n{"payment_event_id": "E1"}\n\n{"payment_event_id": "E2"}\n\n'),
    "byte order mark of a CSV": ("stores", ".csv", BOM + b" store_id ,name\r\nS1,x\r\n\r\nS2,y\r\n"),
    "byte order marks of pages": ("orders", ".json", b'[{"orders":[{}]},' + BOM + b'{"orders":[{}]}]'),
    "one bad page among records": ("orders", ".json", b'[{"orders":[{"order_id":NaN},{"order_id":"O2"}]}]'),
    "few records without a required field": ("clickstream", ".ndjson.gz", gzip.compress(b'{"ts":1}\n{"ts":2}\n')),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_file_with_blemishes_is_taken(tables, raw, kind):
    feed, suffix, payload = ACCEPTED[kind]
    deliver(raw, feed, DAY, ulid(NOW, kind), NOW, [Part(suffix, payload, 2)])
    load_day(tables, raw, feed_contract(feed), DAY)
    assert tables.read(f"bronze.{feed}").count() == 2


def test_the_same_records_come_from_the_client_and_from_spark_s_workers(tables, raw, monkeypatch):
    put(raw, "clickstream", DAY, *(SOUND["clickstream"] | {"event_id": str(n)} for n in range(50)), "cut", '{"a": NaN}')
    deliver(raw, "clickstream", DAY, ulid(NOW, "none"), NOW, [])
    load_day(tables, raw, feed_contract("clickstream"), DAY)
    here = everything(tables, "bronze.clickstream")
    monkeypatch.setattr("retailflow_spark.bronze.load.SMALL_DAY_BYTES", 0)
    tables.spark.sql(f"DROP TABLE {tables.path('bronze.clickstream')}")  # else there is nothing to do
    load_day(tables, raw, feed_contract("clickstream"), DAY)
    assert everything(tables, "bronze.clickstream") == here


def stock(**columns) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


GOLD = (
    *("dim_date", "dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales", "fact_inventory_snapshot"),
    *("fact_web_sessions", "daily_revenue_mart", "payment_reconciliation"),
)


def test_a_day_of_hostile_records_is_built_and_published_with_what_is_right_in_it(tables, raw):
    """Each record here stopped a table, or was counted wrongly, before its rule existed."""
    order, paid, click = SOUND["orders"], SOUND["payments"], SOUND["clickstream"]
    put(raw, "customers", DAY, SOUND["customers"], {"customer_id": "unknown", "updated_at": "2026-01-15T10:00:00Z"})
    put(raw, "products", DAY, SOUND["products"], SOUND["products"] | {"updated_at": "9999-12-31T23:59:59Z"})
    put(raw, "stores", DAY, SOUND["stores"], SOUND["stores"] | {"store_id": "S2", "timezone": "Factory"})
    bargain = {"lines": [SOUND["orders"]["lines"][0] | {"discount_amount": "1000"}]}
    put(
        raw,
        "orders",
        DAY,
        order,
        order | {"order_id": "O2", "customer_id": "unknown"},
        order | {"order_id": "O3"} | bargain,
    )
    put(
        raw,
        "store_sales",
        DAY,
        *(SOUND["store_sales"] | {"receipt_id": s, "store_id": s} for s in ("S1", "S2", "online")),
    )
    unpaid = ({"payment_event_id": "E2", "order_id": ""}, {"payment_event_id": "E3", "order_id": "unknown"})
    put(raw, "payments", DAY, paid, *(paid | change for change in unpaid),
        paid | {"payment_event_id": "E4", "occurred_at": "0001-01-01T00:00:00Z"})  # fmt: skip
    moments = ("2026-01-10T10:00:00Z", "2026-01-11T09:59:59Z", "2026-01-12T09:59:59Z", "1970-01-01T00:00:00Z")
    blanks = ("2026-01-15T10:00:00Z", "2026-01-15T10:29:59Z", "2026-01-15T10:59:59Z")
    put(raw, "clickstream", DAY, *(click | {"event_id": m, "occurred_at": m} for m in moments), *(
        click | {"event_id": f"b{m}", "occurred_at": m, "session_id": ""} for m in blanks))  # fmt: skip
    day, many = pa.array([DAY] * 3), pa.array([9_999_999_999, 1_000_000_000, -5], pa.int64())
    payload = stock(
        store_id=pa.array(["S1"] * 3), product_id=pa.array(["P1", "P2", "P3"]),
        snapshot_date=day, quantity_on_hand=many,
        quantity_reserved=pa.array([0, 0, 1], pa.int64()), recorded_at=pa.array([NOW] * 3, pa.timestamp("us", "UTC")),
        unit_cost=pa.array([None, "9999999.0000", "1"]),
    )  # fmt: skip
    deliver(raw, "inventory", DAY, ulid(NOW, "stock"), NOW, [Part(".parquet", payload, 3)])
    for _ in range(2):
        for feed in (*SOUND, "inventory"):
            run_day(tables, raw, feed, DAY)
        for name in GOLD:
            refresh(tables, gold_table(name))
        assert publish(tables).blocked == set()
    assert open_dates(tables) == []
    counts = {feed: tables.read(f"quarantine.{feed}").count() for feed in (*SOUND, "inventory")}
    assert counts == {
        "orders": 0, "customers": 1, "products": 1, "stores": 1, "store_sales": 0, "payments": 1, "clickstream": 1,
        "inventory": 1,
    }  # fmt: skip

    def rows(name: str, *columns: str) -> set[tuple]:
        return {tuple(str(row[column]) for column in columns) for row in tables.read(f"gold.{name}").collect()}

    assert rows("fact_sales", "sale_id", "store_id", "net_amount", "sold_at") == {
        ("O1", "online", "10.0000", "2026-01-15 10:00:00"), ("O2", "online", "10.0000", "2026-01-15 10:00:00"),
        ("O3", "online", "-990.0000", "2026-01-15 10:00:00"), ("S1", "S1", "10.0000", "2026-01-15 09:00:00"),
        ("S2", "S2", "10.0000", "2026-01-15 10:00:00"), ("online", "unknown", "10.0000", "2026-01-15 10:00:00"),
    }  # fmt: skip
    assert rows("fact_orders", "order_id", "missing_dimension_count") == {("O1", "0"), ("O2", "0"), ("O3", "0")}
    assert rows("payment_reconciliation", "order_id", "captured_amount") == {
        ("O1", "5.0000"), ("O2", "0.0000"), ("O3", "0.0000"), ("unknown", "10.0000"),
    }  # fmt: skip
    assert rows("fact_web_sessions", "session_id", "started_at", "ended_at") == {
        ("S1", "2026-01-10 10:00:00", "2026-01-11 09:59:59"), ("S1", "2026-01-12 09:59:59", "2026-01-12 09:59:59"),
        ("None", "2026-01-15 10:00:00", "2026-01-15 10:29:59"), ("None", "2026-01-15 10:59:59", "2026-01-15 10:59:59"),
    }  # fmt: skip
    assert rows("fact_inventory_snapshot", "product_id", "stock_value_amount", "quantity_available") == {
        ("P2", "9999999000000000.0000", "1000000000"), ("P3", "-5.0000", "-6"),
    }  # fmt: skip
    warned = {(row.name, row.audit, row.broken_count) for row in tables.read("ops.audits").collect()}
    assert ("fact_sales", "discount_within_line", 1) in warned


def test_the_document_has_a_row_for_each_kind_and_no_other():
    text = (REPOSITORY / "docs/bad-input.md").read_text("utf-8")
    named = set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)) - {"kind", "---"}
    assert named == {case.kind for case in CASES} | FILES.keys() | ACCEPTED.keys()


def test_a_slice_of_fewer_batches_never_replaces_one_of_more(tables, raw):
    """A run that was cancelled may write late what it had read early."""
    put(raw, "payments", DAY, SOUND["payments"])
    early = [len(raw.manifests("payments", DAY))]
    load_day(tables, raw, feed_contract("payments"), DAY)
    old = tables.read("bronze.payments").collect()
    put(raw, "payments", DAY, SOUND["payments"] | {"payment_event_id": "E2"})
    load_day(tables, raw, feed_contract("payments"), DAY)
    late = tables.spark.createDataFrame(old, tables.read("bronze.payments").schema)
    sequence = (early[0] << 42) + int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)
    assert tables.replace_day_in_sequence(late, feed_contract("payments").bronze, DAY, sequence, "late")
    assert tables.read("bronze.payments").count() == 2
