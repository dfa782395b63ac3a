"""Tables follow their contracts and the code: their definitions at once, their rows by a rebuild."""

from dataclasses import replace

import pytest
from pipeline import put, run_day
from shop import DAY

from retailflow.contracts import Column, Table, ddl, gold_table
from retailflow.contracts.model import Check
from retailflow_spark.delta.schema import TableError, create
from retailflow_spark.gold import refresh as gold
from retailflow_spark.gold.refresh import refresh

OLD = Table(
    name="silver.things",
    description="Things.",
    columns=(
        Column("thing_id", "STRING", "Thing.", required=True),
        Column("count", "INT", "How many.", required=True),
        Column("price", "DECIMAL(18,4)", "Price."),
        Column("gone", "STRING", "Not wanted any more.", required=True),
    ),
    key=("thing_id",),
    checks=(Check("positive", "count > 0", "count is not positive"), Check("cheap", "price < 10", "price is high")),
)
NEW = replace(
    OLD,
    description="All things.",
    columns=(
        Column("thing_id", "STRING", "The thing.", required=True),
        Column("count", "BIGINT", "How many."),
        Column("price", "DECIMAL(28,4)", "Price."),
        Column("colour", "STRING", "Colour.", required=True),
    ),
    checks=(Check("positive", "count >= 0", "count is negative"),),
    retention_days=7,
)
INSERT = "INSERT INTO spark_catalog.silver.things VALUES"


def test_columns_types_comments_properties_and_checks_follow_at_once_and_no_row_is_lost(tables):
    create(tables, [OLD])
    tables.spark.sql(f"{INSERT} ('a', 1, 9.5, 'x')")
    create(tables, [NEW])
    frame = tables.read("silver.things")
    assert {field.name: field.dataType.simpleString() for field in frame.schema} == {
        "thing_id": "string", "count": "bigint", "price": "decimal(28,4)", "colour": "string", "gone": "string",
    }  # fmt: skip
    comments = {field.name: field.metadata["comment"] for field in frame.schema}
    assert (comments["thing_id"], comments["colour"]) == ("The thing.", "Colour.")
    rows = [(row.thing_id, row["count"], str(row.price), row.colour) for row in frame.collect()]
    assert rows == [("a", 1, "9.5000", None)]
    properties = tables.properties("silver.things")
    assert properties["delta.deletedFileRetentionDuration"] == "interval 7 days"
    assert properties[ddl.CONTRACT] == ddl.digest(NEW)
    checks = {name: value for name, value in properties.items() if name.startswith("delta.constraints.")}
    assert checks == {"delta.constraints.positive": "count >= 0"}
    tables.spark.sql(f"{INSERT} ('b', 3000000000, 100, 'red', NULL)")
    version = tables.version("silver.things")
    create(tables, [NEW])
    assert tables.version("silver.things") == version


def test_a_check_that_old_rows_break_is_added_once_they_are_gone(tables, capsys):
    create(tables, [OLD])
    tables.spark.sql(f"{INSERT} ('a', 1, 9.5, 'x')")
    stricter = replace(OLD, checks=(Check("cheap", "price < 5", "price is high"),))
    create(tables, [stricter])
    assert "silver.things has rows that break a new check" in capsys.readouterr().out
    assert "delta.constraints.cheap" not in tables.properties("silver.things")
    tables.spark.sql("DELETE FROM spark_catalog.silver.things")
    create(tables, [stricter])
    assert tables.properties("silver.things")["delta.constraints.cheap"] == "price < 5"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": (replace(OLD.columns[0], type="BIGINT"), *OLD.columns[1:])}, "silver.things.thing_id is string"),
        ({"columns": (*OLD.columns[:2], replace(OLD.columns[2], type="DECIMAL(18,2)"))}, "is decimal"),
        ({"partition": ("gone",)}, "is partitioned by"),
    ],
)
def test_a_change_that_needs_a_new_table_says_so_and_changes_nothing(tables, change, said):
    create(tables, [OLD])
    with pytest.raises(TableError, match=rf"{said}.*Drop the table, and replay all dates of its feed"):
        create(tables, [replace(OLD, **change)])
    assert tables.properties("silver.things")[ddl.CONTRACT] == ddl.digest(OLD)


def test_a_gold_table_that_other_code_built_is_built_anew_though_no_source_has_changed(
    tables, raw, monkeypatch, capsys
):
    contract = gold_table("payment_reconciliation")
    paid = {
        "payment_event_id": "E1", "order_id": "O1", "event_type": "captured", "amount": "1", "currency": "EUR",
        "occurred_at": "2026-01-15T10:00:00Z", "recorded_at": "2026-01-15T10:00:00Z",
    }  # fmt: skip
    put(raw, "payments", DAY, paid)
    run_day(tables, raw, "payments", DAY)
    refresh(tables, contract)
    tables.spark.sql(f"UPDATE {tables.path(contract.table.name)} SET captured_amount = 5, difference_amount = -5")
    assert refresh(tables, contract).rows_written == 0
    assert "is rebuilt" not in capsys.readouterr().out
    monkeypatch.setattr(gold, "built_with", lambda layer, table: "of tomorrow")
    assert refresh(tables, contract).rows_written == 1
    said = "payment_reconciliation is rebuilt for a changed contract or code, or after an audit: all of it is compared"
    assert said in capsys.readouterr().out
    assert [str(row.captured_amount) for row in tables.read(contract.table.name).collect()] == ["1.0000"]
    assert refresh(tables, contract).rows_written == 0
    assert tables.properties(contract.table.name)[gold.BUILT_WITH] == "of tomorrow"


def test_a_table_that_is_dropped_and_replayed_is_followed_by_gold(tables, raw):
    contract, newer = gold_table("payment_reconciliation"), {"recorded_at": "2026-01-16T10:00:00Z"}
    paid = {
        "payment_event_id": "E1", "order_id": "O1", "event_type": "captured", "amount": "1", "currency": "EUR",
        "occurred_at": "2026-01-15T10:00:00Z", "recorded_at": "2026-01-15T10:00:00Z",
    }  # fmt: skip
    put(raw, "payments", DAY, paid)
    for _ in range(3):
        run_day(tables, raw, "payments", DAY)
    put(raw, "payments", DAY, paid | newer | {"amount": "2"})
    run_day(tables, raw, "payments", DAY)
    refresh(tables, contract)
    tables.spark.sql(f"DROP TABLE {tables.path('silver.payments')}")
    put(raw, "payments", DAY, paid | newer | {"payment_event_id": "E2", "amount": "4"})
    run_day(tables, raw, "payments", DAY)
    for _ in range(2):
        refresh(tables, contract)
        assert [str(row.captured_amount) for row in tables.read(contract.table.name).collect()] == ["6.0000"]
    put(raw, "payments", DAY, paid | newer | {"payment_event_id": "E3", "amount": "8"})
    run_day(tables, raw, "payments", DAY)
    refresh(tables, contract)
    assert [str(row.captured_amount) for row in tables.read(contract.table.name).collect()] == ["14.0000"]
