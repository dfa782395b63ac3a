"""Thirty days of all feeds, delivered and run in random order with late batches and repetitions, give the same tables
as one clean rebuild from RAW (law 4).

The rebuild applies the transforms to all days at once. It uses no merge and no change feed, and no order of runs.
"""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import reduce

import pytest
from pipeline import everything, run_day
from pyspark.sql import DataFrame

from retailflow.contracts import feeds, gold_tables
from retailflow.contracts.model import ORDER
from retailflow_local.simulator.dice import WORLD_BEGINS
from retailflow_local.simulator.files import deliver_day, deliver_late
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import ALL_FEEDS, World
from retailflow_local.spark_client import session
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.gold.transform import transform_of
from retailflow_spark.silver.validate import invalid, latest_per_key, valid, validate

DAYS = 30
SEED = int(os.environ.get("RETAILFLOW_SEED") or random.randrange(10**6))
WORLD = World(seed=SEED, scale=0.005)
IN_ORDER = [WORLD_BEGINS + timedelta(days=number) for number in range(DAYS)]


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_thirty_days_in_any_order_equal_a_clean_rebuild(workspace, tables, raw):
    print(f"Repeat it with RETAILFLOW_SEED={SEED}.")
    chance = random.Random(SEED)
    orders = {feed: chance.sample(IN_ORDER, DAYS) for feed in ALL_FEEDS}

    def run_feed(feed: str, days: list, chance: random.Random) -> None:
        """Deliver and run each day. Some days get a late batch before or after their run; one runs again at the end."""
        with session(workspace.spark_remote) as spark:
            spark.conf.set("spark.sql.shuffle.partitions", "1")
            for day in days:
                deliver_day(raw, WORLD, day, Trouble.some(), [feed])
                late = chance.choice(("none", "none", "none", "before", "after"))
                if late == "after":
                    run_day(Tables(spark, tables.catalog), raw, feed, day)
                if late != "none":
                    deliver_late(raw, WORLD, feed, day)
                run_day(Tables(spark, tables.catalog), raw, feed, day)
            run_day(Tables(spark, tables.catalog), raw, feed, chance.choice(days))

    for start in range(0, DAYS, 6):
        with ThreadPoolExecutor(2) as pool:
            parts = [orders[feed][start : start + 6] for feed in ALL_FEEDS]
            list(pool.map(run_feed, ALL_FEEDS, parts, [random.Random(chance.random()) for _ in ALL_FEEDS]))
        for contract in gold_tables():
            refresh(tables, contract)

    wrong = [name for name, wanted in rebuilt(tables, raw) if everything(tables, name) != _texts(wanted)]
    assert wrong == []


def rebuilt(tables: Tables, raw) -> Iterator[tuple[str, DataFrame]]:
    """Yield the name of each table and its expected rows, built from tables that come before it."""
    for contract in feeds():
        batches = {day: raw.manifests(contract.name, day) for day in IN_ORDER}
        days = [bronze.read_day(tables.spark, raw, contract, *batch)[0] for batch in batches.items()]
        yield contract.bronze.name, reduce(DataFrame.unionByName, days).select(*contract.bronze.column_names)
        validated = validate(tables.read(contract.bronze.name), contract)
        yield contract.quarantine.name, invalid(validated, contract)
        for table in contract.silver_tables:
            latest = latest_per_key(valid(validated, contract), table.key, (contract.version_column, *ORDER))
            yield table.name, latest.select(*table.column_names)
    for contract in gold_tables():
        inputs = {name: tables.read(name) for name in (*contract.sources, contract.table.name)}
        rows = transform_of(contract).build(inputs, None)
        yield contract.table.name, rows.select(*contract.table.column_names)


def _texts(frame: DataFrame) -> list[str]:
    return sorted(map(repr, frame.collect()))
