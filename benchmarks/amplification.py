"""A write adds little more than its rows: bytes added to a table, compared with the same rows encoded once.

The added bytes are those of the files that the commit lists in Delta's log: data files, change data, deletion vectors.
The rows encoded once are one Parquet file, by the same Spark, of the rows that the commit inserted or changed.
"""

import json
import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from space import Space, space, to_silver
from targets import Target

from retailflow.contracts import Table, feed_contract, gold_table
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.world import World
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh

DAY = date(2026, 1, 15)
CUSTOMERS, CHANGED = 100_000, 1_000


def measure() -> dict:
    clicks, orders = feed_contract("clickstream"), feed_contract("orders")
    dimension, versions = gold_table("dim_customer"), feed_contract("customers").versions
    with space() as made, made.tables() as tables:
        deliver_day(made.raw_store(), World(7, 0.2), DAY, feeds=["clickstream", "orders"])

        def load() -> None:
            bronze.load_day(tables, made.raw_store(), clicks, DAY)

        found = {
            "a new day of BRONZE": added(made, tables, clicks.bronze, load),
            "the same day of BRONZE replaced": added(made, tables, clicks.bronze, load),
        }
        bronze.load_day(tables, made.raw_store(), orders, DAY)
        found["new rows of SILVER"] = added(made, tables, orders.silver, lambda: to_silver(made, orders, DAY))
        create(tables, [versions])
        tables.append(customers(tables, CUSTOMERS, "2026-01-01"), versions)
        refresh(tables, dimension)
        tables.append(customers(tables, CHANGED, "2026-01-15"), versions)
        found["a dimension with 1 % of its rows changed"] = added(
            made, tables, dimension.table, lambda: refresh(tables, dimension)
        )
        return found


def customers(tables: Tables, count: int, updated_on: str) -> DataFrame:
    """Return one row per customer, for `count` customers spread over all: the columns of `silver.customers_history`.

    Text columns that are not set below get a distinct digest.
    """
    table = feed_contract("customers").versions
    step = CUSTOMERS // count
    number = F.format_string("C%08d", F.col("id") * step)
    known = {
        "customer_id": number,
        "updated_at": F.lit(updated_on).cast("timestamp"),
        "ingestion_date": F.lit(updated_on).cast("date"),
        "deleted_at": F.lit(None).cast("timestamp"),
    }

    def value(name: str, kind: str) -> Column:
        if kind == "STRING":
            return F.substring(F.md5(F.concat(number, F.lit(name + updated_on))), 1, 12)
        if kind in ("BIGINT", "BOOLEAN"):
            return (F.col("id") % 1000).cast(kind)
        return F.lit(None if kind.startswith("STRUCT") else "1990-01-01").cast(kind)

    columns = [known.get(column.name, value(column.name, column.type)).alias(column.name) for column in table.columns]
    return tables.spark.range(count).select(columns)


def added(made: Space, tables: Tables, table: Table, write: Callable[[], object]) -> dict[str, float]:
    """Return the rows of a write, the bytes of its commits, and the bytes of its rows encoded once."""
    before = tables.version(table.name) if tables.spark.catalog.tableExists(tables.path(table.name)) else 0
    write()
    now = tables.version(table.name)
    folder = Path(urlparse(tables.spark.sql(f"DESCRIBE DETAIL {tables.path(table.name)}").first().location).path)
    commits = [of_commit(folder / "_delta_log" / f"{version:020}.json") for version in range(before + 1, now + 1)]
    if table.name.startswith("bronze."):
        rows = tables.read_day(table, DAY)
    else:
        rows = tables.changes(table.name, before + 1, now, "insert", "update_postimage")
    rows = rows.drop(*table.partition)
    once = made.root / "once" / uuid.uuid4().hex
    rows.coalesce(1).write.parquet(str(once))
    return {
        "rows": rows.count(),
        "bytes_added": sum(commits),
        "bytes_encoded_once": sum(path.stat().st_size for path in once.glob("*.parquet")),
    }


def of_commit(path: Path) -> int:
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    files = [file for action in actions if (file := action.get("add") or action.get("cdc"))]
    vectors = [file.get("deletionVector") for file in files]  # a commit lists an older file again with its vector
    return sum(v["sizeInBytes"] if v else file["size"] for file, v in zip(files, vectors, strict=True))


def targets(figures: dict) -> list[Target]:
    limits = dict.fromkeys(figures, 1.02) | {"a dimension with 1 % of its rows changed": 3.0}
    return [
        Target(f"Bytes added by {name}, of its rows encoded once", limits[name], ratio(of))
        for name, of in figures.items()
    ]


def ratio(of: dict) -> float:
    return round(of["bytes_added"] / of["bytes_encoded_once"], 3)
