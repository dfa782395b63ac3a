"""The description of each table, from the contracts, from dbt's models and from the lineage of the code."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retailflow.contracts import Column, FeedContract, GoldContract, Table, feeds, gold_tables
from retailflow_local import lineage
from retailflow_local.dbt import properties

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from retailflow_spark.delta.writer import Tables

LAYERS = ("raw", "bronze", "silver", "quarantine", "gold", "marts")


@dataclass(frozen=True)
class Field:
    """A column, or a field in one (`lines.unit_price`). `sources` are full names; a generated column has none."""

    name: str
    type: str
    description: str
    classification: str = ""
    rules: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Page:
    """A table, or a feed as its source sends it."""

    name: str
    description: str
    owner: str
    fresh: str
    key: tuple[str, ...]
    rules: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


def pages(tables: "Tables", compiled: Path) -> Iterator[Page]:
    """Yield all pages. `compiled` is the folder with dbt's compiled models; the tables may be empty."""
    for contract in feeds():
        yield from _of_feed(contract, lineage.of_silver(tables, contract))
    for contract in gold_tables():
        yield _page(contract, contract.table, lineage.of_gold(tables, contract))
    for model in properties("models.yml")["models"]:
        yield _of_model(model, compiled / f"{model['name']}.sql", tables.spark)


def _of_feed(contract: FeedContract, made: dict[str, list[str]]) -> Iterator[Page]:
    raw = f"raw.{contract.name}"
    sent = tuple(field for column in contract.feed_columns for field in _fields(column, ()))
    made_of_feed = {name: [raw] for name in contract.bronze.column_names}  # the jobs add columns that are no field
    made_of_feed |= {column.name: [f"{raw}.{column.name}"] for column in contract.feed_columns}
    yield replace(_page(contract, contract.bronze, {}), name=raw, key=contract.silver.key, fields=sent)
    yield _page(contract, contract.bronze, made_of_feed)
    for table in contract.silver_tables:
        yield _page(contract, table, made)
    of_bronze = {name: [contract.bronze.name] for name in contract.quarantine.column_names}
    yield _page(contract, contract.quarantine, of_bronze)


def _page(contract: FeedContract | GoldContract, table: Table, made: dict[str, list[str]]) -> Page:
    fields = (field for column in table.columns for field in _fields(column, tuple(made.get(column.name, ()))))
    rules = tuple(check.reason for check in (*table.checks, *table.warnings))
    if isinstance(contract, FeedContract) and table in contract.silver_tables:
        rules = tuple(check.reason for check in contract.checks)
    return Page(table.name, table.description, contract.owner, _fresh(contract), table.key, rules, tuple(fields))


def _fields(column: Column, sources: tuple[str, ...], within: str = "") -> Iterator[Field]:
    """Yield the column, and after it the fields in it."""
    name = f"{within}{column.name}"
    rules = (
        "required" if column.required else "",
        f"one of {', '.join(column.valid_values)}" if column.valid_values else "",
        f"of the form {column.pattern}" if column.pattern else "",
        f"at least {column.minimum}" if column.minimum is not None else "",
        f"at most {column.maximum}" if column.maximum is not None else "",
    )
    yield Field(name, column.type, column.description, column.strictest or "", tuple(filter(None, rules)), sources)
    for inner in column.fields:
        yield from _fields(inner, sources, f"{name}.")


def _of_model(model: dict[str, Any], compiled: Path, spark: "SparkSession") -> Page:
    frame = spark.sql(compiled.read_text())
    made, types = lineage.of(frame), dict(frame.dtypes)
    key = next(test["unique_key"]["arguments"]["columns"] for test in model["data_tests"] if "unique_key" in test)
    fields = (
        Field(c["name"], types[c["name"]].upper(), c["description"], sources=tuple(made[c["name"]]))
        for c in model["columns"]
    )
    about = (f"marts.{model['name']}", model["description"], "retail-analytics", "Built after GOLD has been published.")
    return Page(*about, tuple(key), (), tuple(fields))


def _fresh(contract: FeedContract | GoldContract) -> str:
    return f"The previous day is available by {contract.available_by:%H:%M} UTC."
