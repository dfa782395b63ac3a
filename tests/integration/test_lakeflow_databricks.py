"""The parts of the pipeline that only Databricks runs: a stand-in for its module records and applies them.

The stand-in does what Databricks documents: an expectation keeps, drops or stops; AUTO CDC keeps for each key the row
with the greatest sequence.
"""

import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest
from pipeline import everything, put, run_day
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from retailflow.contracts import feed_contract
from retailflow.contracts.model import Check
from retailflow_local.spark_client import session
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.silver.lakeflow import Feed, feed

DAY, NEXT = date(2026, 1, 15), date(2026, 1, 16)
LINE = {"line_number": 1, "product_id": "P1", "quantity": 1, "unit_price": "9.99"}
ORDER = {
    "order_id": "O1",
    "ordered_at": "2026-01-15T10:00:00Z",
    "updated_at": "2026-01-15T10:00:00Z",
    "status": "paid",
    "currency": "EUR",
    "shipping": {"amount": "4.90"},
    "lines": [LINE],
}
BAD = (
    {"order_id": None},
    {"updated_at": "2026-01-15"},
    {"status": "lost"},
    {"currency": "eur"},
    {"shipping": {"amount": "-1", "address": {"country": "Germany"}}},
    {"lines": [LINE, LINE | {"quantity": 0, "unit_price": "1e3"}]},
    {"lines": [LINE | {"discount_amount": "-1", "tax_amount": "-1"}]},
    {"lines": "x"},
)


@dataclass
class Databricks:
    """`pyspark.pipelines` as Databricks has it. It records what a pipeline declares."""

    queries: dict[str, Callable[[], DataFrame]] = field(default_factory=dict)
    expected: dict[str, dict[str, str]] = field(default_factory=lambda: {"warn": {}, "drop": {}, "fail": {}})
    tables: list[str] = field(default_factory=list)
    flow: dict = field(default_factory=dict)

    def expect(self, name: str, condition: str):
        return self._expects("warn", {name: condition})

    def expect_all_or_drop(self, conditions: dict[str, str]):
        return self._expects("drop", conditions)

    def expect_or_fail(self, name: str, condition: str):
        return self._expects("fail", {name: condition})

    def _expects(self, action: str, conditions: dict[str, str]):
        self.expected[action].update(conditions)
        return lambda query: query

    def temporary_view(self, *, name: str):
        return lambda query: self.queries.update({name: query})

    def table(self, *, name: str, comment: str, schema: str, partition_cols: list[str] | None):
        """Take no `spark_conf`: serverless compute accepts few keys, and chooses the state store by itself."""
        return lambda query: self.queries.update({name: query})

    def materialized_view(self, *, name: str, comment: str, schema: str, partition_cols: list[str] | None):
        return lambda query: self.queries.update({name: query})

    def create_streaming_table(self, *, name: str, comment: str, schema: str, partition_cols: list[str] | None):
        self.tables.append(name)

    def create_auto_cdc_flow(self, **flow):
        self.flow = flow

    def kept(self) -> DataFrame:
        """Return the source of AUTO CDC without the dropped rows. A condition that is null drops its row."""
        whole = self.queries[self.flow["source"]]()
        return whole.where(" AND ".join(f"({condition}) IS TRUE" for condition in self.expected["drop"].values()))

    def target(self) -> DataFrame:
        rows = F.max_by(F.struct(*self.flow["column_list"]), self.flow["sequence_by"])
        return self.kept().groupBy(*self.flow["keys"]).agg(rows.alias("row")).select("row.*")


@pytest.fixture
def declared(workspace, raw_root, monkeypatch) -> Iterator[Callable[..., Databricks]]:
    """Run a file that Databricks runs. A stream is read as a whole table."""

    def run(name: str = "orders_databricks") -> Databricks:
        double = Databricks()
        monkeypatch.setattr("pyspark.pipelines", double, raising=False)
        runpy.run_path(str(REPOSITORY / "spark_jobs" / "pipelines" / f"{name}.py"))
        return double

    with session(workspace.spark_remote, is_serverless=False) as spark:
        spark.conf.set("retailflow.raw_root", raw_root)  # the platform sets the configuration of a pipeline
        monkeypatch.setattr(SparkSession, "active", lambda: spark)
        monkeypatch.setattr(type(spark), "readStream", property(lambda session: session.read))
        yield run


def deliver_and_run(tables, raw, *days_and_records) -> None:
    """Run the days by the jobs. The pipeline gets a copy of their BRONZE."""
    for day, *records in days_and_records:
        put(raw, "orders", day, *records)
    for day in {day for day, *_ in days_and_records}:
        run_day(tables, raw, "orders", day)
    tables.spark.sql("CREATE TABLE spark_catalog.bronze.orders_lakeflow USING delta AS SELECT * FROM bronze.orders")


def test_auto_cdc_and_expectations_give_silver_and_quarantine_of_the_jobs(tables, raw, declared):
    newer = ORDER | {"updated_at": "2026-01-16T10:00:00Z", "status": "shipped"}
    deliver_and_run(
        tables,
        raw,
        (NEXT, newer, ORDER, ORDER | {"ordered_at": "2026-01-16T10:00:00Z"}),  # the last is older, of another date
        (DAY, ORDER, ORDER | {"status": "placed"}, *(ORDER | change for change in BAD)),
        (DAY, ORDER | {"order_id": "O2"}, ORDER | {"order_id": "O2", "status": "cancelled"}),
        (DAY - timedelta(days=1), newer | {"status": "delivered"}, ORDER | {"order_id": "O2"}),
    )
    double = declared()
    assert double.tables == [double.flow["target"]] == ["silver.orders_lakeflow"]
    assert sorted(map(repr, double.target().collect())) == everything(tables, "silver.orders")
    assert len(everything(tables, "silver.orders")) == 2

    place = ["_source_file", "_position"]
    whole = double.queries[double.flow["source"]]()
    dropped = whole.join(double.kept(), place, "left_anti").select(*place)
    held = tables.read("quarantine.orders")
    assert sorted(dropped.collect()) == sorted(held.select(*place).collect())
    said = {reason for row in held.collect() for reason in row.reasons}
    assert len(said) >= len(BAD)
    assert said <= double.expected["drop"].keys()


def test_the_file_that_open_source_runs_too_asks_for_no_configuration(declared):
    assert declared("orders").queries.keys() == {"bronze.orders_lakeflow", "quarantine.orders_lakeflow"}


def test_a_pipeline_without_the_place_of_raw_says_which_setting_it_lacks(spark, monkeypatch):
    """Serverless compute refuses to read an absent key, also where a default is given."""
    monkeypatch.setattr(SparkSession, "active", lambda: spark)
    with pytest.raises(ValueError, match=r"the pipeline has no setting retailflow\.raw_root"):
        feed("orders")


def test_keys_and_sequence_are_those_of_the_contract_and_the_total_order(tables, declared):
    flow = declared().flow
    assert flow["keys"] == ["order_id"]
    sequence = "Column<'struct(updated_at, ingestion_date, _batch_id, _source_file, _position)'>"
    assert str(flow["sequence_by"]) == sequence
    assert flow["column_list"] == feed_contract("orders").silver.column_names
    assert flow["stored_as_scd_type"] == 1


def test_each_check_of_the_contract_drops_and_each_warning_only_counts(spark, declared):
    contract = feed_contract("orders")
    expected = declared().expected
    assert {check.reason for check in contract.checks} <= expected["drop"].keys()
    assert "shipping.amount is below 0" in expected["drop"]
    assert "the record cannot be read" in expected["drop"]
    assert expected["warn"] == {}
    warned = replace(contract, silver=replace(contract.silver, warnings=(Check("early", "a > 1", "it is early"),)))
    assert Feed(spark, warned, "").warnings() == {"it is early": "coalesce(a > 1, true)"}


def test_the_update_fails_where_bronze_lacks_a_file_or_has_one_that_no_batch_names(tables, raw, declared):
    deliver_and_run(tables, raw, (DAY, ORDER), (NEXT, ORDER, ORDER))
    double = declared()
    (condition,) = double.expected["fail"].values()

    def wrong() -> list[tuple[int, int]]:
        found = double.queries["bronze.orders_files_lakeflow"]().where(f"NOT ({condition})")
        return [(row.record_count, row.stored_count) for row in found.collect()]

    assert wrong() == []
    tables.spark.sql("DELETE FROM spark_catalog.bronze.orders_lakeflow WHERE ingestion_date = '2026-01-16'")
    assert wrong() == [(2, 0)]
    (batch,) = raw.names("orders/ingestion_date=2026-01-15/_batches/")
    raw._container.delete_blob(batch)
    assert sorted(wrong()) == [(0, 1), (2, 0)]
