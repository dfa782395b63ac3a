"""Small worlds: SILVER written as literals, GOLD built from it in memory by the transforms under test."""

import json
from collections.abc import Callable
from functools import cached_property

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from retailflow import contracts
from retailflow_spark.delta.reader import COMMIT
from retailflow_spark.delta.rows import having
from retailflow_spark.gold.transform import Transform, transform_of

Rows = list[tuple[str | None, ...]]
Literals = tuple[pa.Table, StructType]

# The values of a row unless its test says otherwise.
MOMENT = "2026-01-15T10:00:00Z"
USUAL = {
    "orders": {
        "order_id": "O1",
        "ordered_at": MOMENT,
        "updated_at": MOMENT,
        "status": "paid",
        "currency": "EUR",
        "lines": [],
    },
    "customers_history": {"customer_id": "C1", "updated_at": MOMENT},
    "products_history": {"product_id": "P1", "name": "Lamp", "updated_at": MOMENT},
    "stores": {"store_id": "S1", "name": "Main street", "timezone": "UTC"},
    "store_sales": {
        **{"receipt_id": "R1", "line_number": 1, "store_id": "S1", "sold_at_local": "2026-01-15T10:00:00"},
        **{"product_id": "P1", "quantity": 1, "unit_price": "1", "currency": "EUR"},
    },
    "inventory": {"store_id": "S1", "product_id": "P1", "snapshot_date": "2026-01-15", "recorded_at": MOMENT},
    "payments": {"order_id": "O1", "event_type": "captured", "amount": "1", "currency": "EUR", "occurred_at": MOMENT},
    "clickstream": {"anonymous_id": "A1", "event_type": "page_view", "occurred_at": MOMENT},
}


class World:
    """The tables that follow from some SILVER rows. Each is built when first read, and then kept as literals."""

    def __init__(self, spark: SparkSession, silver: dict[str, list[dict]]) -> None:
        self.spark = spark
        self._silver = silver
        self._built: dict[str, Literals] = {}

    def __getitem__(self, name: str) -> DataFrame:
        return self.spark.createDataFrame(*self.literals(name))

    def literals(self, name: str) -> Literals:
        if name not in self._built:
            frame = self._gold(name) if name.startswith("gold.") else self._literal(name)
            self._built[name] = frame.toArrow(), frame.schema
        return self._built[name]

    def rows(self, name: str, *columns: str) -> Rows:
        """Return the rows of a GOLD table, every value as text, sorted."""
        return sorted_rows(self[f"gold.{name}"].select(*columns))

    def sources(self, name: str) -> dict[str, DataFrame]:
        return {source: self[source] for source in contracts.gold_table(name).sources}

    def empty(self, table: str) -> DataFrame:
        return self.spark.createDataFrame([], _ddl(table))

    def _gold(self, table: str) -> DataFrame:
        name = table.removeprefix("gold.")
        return _transform(name).build({**self.sources(name), table: self.empty(table)}, None)

    def _literal(self, table: str) -> DataFrame:
        name = table.removeprefix("silver.")
        texts = [(json.dumps({**USUAL[name], **row}),) for row in self._silver.get(name, [])]
        parsed = self.spark.createDataFrame(texts, "text string").select(F.from_json("text", _ddl(table)).alias("row"))
        columns, rows = contracts.table(table).columns, parsed.select("row.*")
        return rows.select(*(F.to_date(c.date_of).alias(c.name) if c.date_of else c.name for c in columns))


def sorted_rows(frame: DataFrame) -> Rows:
    found = frame.select(*(F.col(name).cast("string") for name in frame.columns)).collect()
    return sorted((tuple(row) for row in found), key=lambda row: [str(value) for value in row])


def _transform(name: str) -> Transform:
    return transform_of(contracts.gold_table(name))


def _ddl(table: str) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in contracts.table(table).columns)


class Recompute:
    """An incremental run after `before` became `after`, as the engine does it. `keys` are the recomputed keys."""

    def __init__(self, name: str, before: World, after: World) -> None:
        self._target, self._transform = f"gold.{name}", _transform(name)
        self._before, self._after = before, after
        self._tables = {**after.sources(name), self._target: before[self._target]}
        self._changed = {source: _images(before, after, source) for source in contracts.gold_table(name).sources}

    @cached_property
    def _keys(self) -> DataFrame:
        found = self._transform.affected_keys(self._changed, self._tables)
        return found.sparkSession.createDataFrame(found.toArrow(), found.schema)

    @property
    def keys(self) -> Rows:
        return sorted_rows(self._keys)

    def equals_a_rebuild(self) -> bool:
        stored = self._before[self._target]
        untouched = stored.exceptAll(having(stored, self._keys))
        contract = contracts.gold_table(self._target.removeprefix("gold."))
        tables = self._transform.prune(self._tables, contract, self._keys, self._keys.toArrow())
        anew = self._transform.build(tables, self._keys)
        rebuilt = self._after[self._target]
        assert sorted_rows(rebuilt.where(_broken(self._target))) == []
        return sorted_rows(untouched.select(*rebuilt.columns).unionAll(anew)) == sorted_rows(rebuilt)


def _broken(table: str) -> str:
    """Return the condition of rows that break a check. Delta refuses null like false."""
    return " or ".join(f"not coalesce({check.expression}, false)" for check in contracts.table(table).checks) or "false"


def _images(before: World, after: World, table: str) -> DataFrame:
    """Return the rows that are in only one of the worlds, as `Reader.value_changes` returns them for one commit."""
    (old, schema), (new, _) = before.literals(table), after.literals(table)
    gone = [{**row, "_net": -1} for row in old.to_pylist() if row not in new.to_pylist()]
    come = [{**row, "_net": 1} for row in new.to_pylist() if row not in old.to_pylist()]
    rows = pa.Table.from_pylist(gone + come, new.schema.append(pa.field("_net", pa.int64())))
    signed = StructType([*schema.fields, StructField("_net", LongType())])
    return after.spark.createDataFrame(rows, signed).withColumn(COMMIT, F.lit(1))


@pytest.fixture
def world(spark) -> Callable[..., World]:
    """`world(orders=[{…}], stores=[{…}])`; customers and products are their versions."""

    def build(**silver: list[dict]) -> World:
        versioned = {"customers": "customers_history", "products": "products_history"}
        return World(spark, {versioned.get(name, name): rows for name, rows in silver.items()})

    return build


@pytest.fixture
def recompute() -> type[Recompute]:
    return Recompute


@pytest.fixture
def follows_its_contract(world) -> Callable[[str], bool]:
    """Check that a table has its contract's columns, in order and type, and that all its checks can be evaluated."""

    def follows(name: str) -> bool:
        nothing, contract = world(), contracts.gold_table(name)
        agreed = nothing.empty(contract.table.name)
        sources = {source: nothing.empty(source) for source in contract.sources}
        built = _transform(name).build({**sources, contract.table.name: agreed}, None)
        checks = [rule["implementation"] for rule in contract.document["schema"][0].get("quality", [])]
        assert {field.dataType.simpleString() for field in built.selectExpr(*checks).schema} <= {"boolean"}
        assert [(field.name, field.dataType.simpleString()) for field in built.schema] == [
            (field.name, field.dataType.simpleString()) for field in agreed.schema
        ]
        return True

    return follows
