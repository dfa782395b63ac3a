"""Bad files and changed feeds: drift is recorded, and a file that breaks the contract fails its day."""

import io
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipeline import everything, put

from retailflow.contracts import feed_contract
from retailflow.manifests import ulid
from retailflow.raw import Part, deliver
from retailflow_local.simulator.encode import schema_of
from retailflow_spark.bronze import load as bronze
from retailflow_spark.bronze.encoding import BadFile
from retailflow_spark.job.entry import Run
from retailflow_spark.silver import load as silver

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 0, 30, tzinfo=UTC)
PAID = {
    "payment_event_id": "E1", "payment_id": "P1", "order_id": "O1", "event_type": "captured", "amount": "1",
    "currency": "EUR", "method": None, "provider": None, "occurred_at": "2026-01-15T10:00:00Z",
    "recorded_at": "2026-01-15T10:00:00Z",
}  # fmt: skip
STOCK = {
    "store_id": "S1", "product_id": "P1", "snapshot_date": DAY, "quantity_on_hand": 5, "quantity_reserved": 0,
    "quantity_on_order": 0, "reorder_point": 1, "unit_cost": None, "recorded_at": NOW,
}  # fmt: skip

INVENTORY = schema_of("inventory")


def put_file(raw, name: str, suffix: str, payload: bytes, records: int) -> str:
    part = Part(suffix, payload, records)
    deliver(raw, name, DAY, batch := ulid(NOW, payload.hex()), NOW, [part])
    return f"{name}/ingestion_date=2026-01-15/batch_{batch}{suffix}"


def put_stock(raw, schema: pa.Schema, *rows: dict) -> str:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return put_file(raw, "inventory", ".parquet", sink.getvalue(), len(rows))


def load(tables, raw: str, name: str, run: str) -> None:
    asked = Run(None, "bronze", name, DAY, None, None, run, datetime.now(UTC))
    bronze.load_day(tables, raw, feed_contract(name), DAY, asked)


def notices(tables) -> list[tuple]:
    rows = tables.read("ops.drift").orderBy("databricks_run_id", "kind", "column").collect()
    return [(row.databricks_run_id, row.kind, row.column, row.record_count, row.first_file) for row in rows]


@pytest.mark.parametrize("small_day_bytes", [bronze.SMALL_DAY_BYTES, 0], ids=["client", "workers"])
def test_new_and_lost_fields_are_noticed_once_per_run_and_a_plain_day_leaves_no_trace(
    tables, raw, capsys, monkeypatch, small_day_bytes
):
    monkeypatch.setattr(bronze, "SMALL_DAY_BYTES", small_day_bytes)
    put(raw, "payments", DAY, PAID, PAID | {"payment_event_id": "E2"})
    load(tables, raw, "payments", "1")
    assert notices(tables) == []
    assert "drift" not in capsys.readouterr().out
    lost = {name: value for name, value in PAID.items() if name != "provider"}
    second = put(raw, "payments", DAY, lost | {"gift_note": None, "tier": 2}, lost | {"tier": {"a": 1}}, "cut")
    load(tables, raw, "payments", "2")
    file = f"payments/ingestion_date=2026-01-15/{second.files[0].name}"
    assert notices(tables) == [
        ("2", "added", "gift_note", 1, file),
        ("2", "added", "tier", 2, file),
        ("2", "missing", "provider", 3, file),
    ]
    said = capsys.readouterr().out
    assert f"payments 2026-01-15 has 2 fields that the contract does not name (first in {file}); ops.drift" in said
    assert f"payments 2026-01-15 has 1 fields of the contract that whole files lack (first in {file})" in said
    assert "tier" not in said


def test_an_optional_parquet_column_that_is_lost_stays_null_and_a_retyped_one_is_validated_value_by_value(tables, raw):
    index = INVENTORY.get_field_index("quantity_on_hand")
    retyped = INVENTORY.set(index, pa.field("quantity_on_hand", pa.string()))
    retyped = retyped.remove(INVENTORY.get_field_index("reorder_point")).append(pa.field("shelf", pa.string()))
    rows = [{**STOCK, "product_id": p, "quantity_on_hand": q, "shelf": "7"} for p, q in (("P1", "5"), ("P2", "many"))]
    file = put_stock(raw, retyped, *rows)
    load(tables, raw, "inventory", "1")
    silver.load_day(tables, feed_contract("inventory"), DAY)
    kept = tables.read("silver.inventory").select("product_id", "quantity_on_hand", "reorder_point").collect()
    assert [tuple(row) for row in kept] == [("P1", 5, None)]
    held = tables.read("quarantine.inventory").collect()
    assert [row.reasons for row in held] == [["quantity_on_hand is not a whole number"]]
    assert notices(tables) == [("1", "added", "shelf", 2, file), ("1", "missing", "reorder_point", 2, file)]


def test_a_file_that_lacks_or_retypes_what_is_required_fails_its_day_which_stays_as_it_was(tables, raw):
    put_stock(raw, INVENTORY, STOCK)
    load(tables, raw, "inventory", "1")
    before = everything(tables, "bronze.inventory")
    index = INVENTORY.get_field_index("recorded_at")
    file = put_stock(raw, INVENTORY.set(index, pa.field("recorded_at", pa.int64())), {**STOCK, "recorded_at": 1})
    batch = file.partition("batch_")[2].removesuffix(".parquet")
    with pytest.raises(BadFile) as failure:
        load(tables, raw, "inventory", "2")
    assert str(failure.value) == (
        f"{file} has recorded_at as int64; the contract requires it as TIMESTAMP. If the source keeps this, change "
        f"the contract. Have it delivered again as a new batch, and withdraw this one: inventory 2026-01-15 {batch}."
    )
    assert everything(tables, "bronze.inventory") == before


def test_the_only_file_of_a_day_that_is_empty_or_missing_fails_with_its_name(spark, raw):
    file = put_file(raw, "stores", ".csv", b"", 0)
    manifests = raw.manifests("stores", DAY)
    with pytest.raises(BadFile, match=f"{file} is empty: a CSV file has at least its header"):
        bronze.read_day(spark, raw, feed_contract("stores"), DAY, manifests)
    file = put_file(raw, "payments", ".ndjson", b"{}\n", 1)
    raw._container.delete_blob(file)
    manifests = raw.manifests("payments", DAY)
    with pytest.raises(BadFile, match=f"{file} is named by a manifest and missing from RAW"):
        bronze.read_day(spark, raw, feed_contract("payments"), DAY, manifests)


def test_an_empty_file_of_lines_is_a_delivery_without_records(spark, raw):
    put_file(raw, "payments", ".ndjson", b"", 0)
    manifests = raw.manifests("payments", DAY)
    assert bronze.read_day(spark, raw, feed_contract("payments"), DAY, manifests)[0].isEmpty()
