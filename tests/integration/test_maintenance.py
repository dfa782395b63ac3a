"""The upkeep of tables on real Delta: each row, view and change feed stays."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pipeline import everything
from pyspark.errors import PySparkException
from shop import Shop

from retailflow.contracts import feed_contract
from retailflow_spark.delta import upkeep
from retailflow_spark.delta.schema import create
from retailflow_spark.ops import maintenance
from retailflow_spark.ops.maintenance import LAYERS, MaintenanceError, maintain, maintain_layer, oldest_needed

pytestmark = pytest.mark.full

BUILT = ("dim_customer", "fact_orders", "payment_reconciliation")
NAMES = ("bronze.orders", "silver.orders", "quarantine.orders", *(f"gold.{name}" for name in BUILT))
ORDERS = feed_contract("orders").silver


@pytest.fixture(scope="module")
def shop(module_tables, module_raw) -> Shop:
    shop = Shop(module_tables, module_raw)
    for price in ("10", "20"):
        shop.sell(price)
        shop.build(*BUILT)
        shop.publish()
    return shop


def due(shop) -> str:
    """Return the amount due that readers see."""
    return str(
        shop.tables.spark.sql("SELECT sum(due_amount) FROM spark_catalog.gold.payment_reconciliation").first()[0]
    )


def files(tables, name: str) -> Path:
    return Path(urlsplit(tables.spark.sql(f"DESCRIBE DETAIL {tables.path(name)}").first().location).path)


def rest(tables, days: int, *names: str) -> None:
    """Make every commit of these tables `days` days older."""
    for name in names:
        for commit in (files(tables, name) / "_delta_log").glob("*.json"):
            os.utime(commit, (commit.stat().st_mtime - days * 86400,) * 2)


def test_upkeep_leaves_every_row_and_what_readers_see(shop, capsys):
    before = {name: everything(shop.tables, name) for name in NAMES}
    for layer in LAYERS:
        maintain_layer(shop.tables, layer, "1")
    assert {name: everything(shop.tables, name) for name in NAMES} == before
    assert due(shop) == "20.0000"
    said = capsys.readouterr().out
    assert [name for name in NAMES if f"{name}: 0 files written together as 0; files deleted" not in said] == []


def test_after_a_rest_longer_than_the_retention_readers_see_a_table_while_it_is_kept_up_and_built(shop):
    rest(shop.tables, 40, *NAMES)
    for layer in ("silver", "gold"):
        maintain_layer(shop.tables, layer, "2")
    assert due(shop) == "20.0000"
    shop.sell("30")
    shop.build(*BUILT)
    assert due(shop) == "20.0000"
    shop.publish()
    assert due(shop) == "30.0000"


def test_a_table_whose_changes_wait_longer_than_its_retention_keeps_its_files(shop):
    waits_for = oldest_needed(shop.tables)[ORDERS.name][0]
    shop.sell("40")
    assert "files deleted" in maintain(shop.tables, ORDERS, oldest_needed(shop.tables))
    rest(shop.tables, 40, ORDERS.name)
    said = maintain(shop.tables, ORDERS, oldest_needed(shop.tables))
    assert said.endswith(f"no file deleted, since gold.fact_orders is still at version {waits_for}")


def test_small_files_become_one_and_those_that_it_replaced_go_after_the_retention(shop):
    tables, name = shop.tables, "ops.upkeep"
    interval = "TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 days')"
    tables.spark.sql(f"CREATE TABLE {tables.path(name)} (id INT) USING DELTA {interval}")
    for number in range(3):
        tables.spark.sql(f"INSERT INTO {tables.path(name)} VALUES ({number})")
    assert upkeep.optimize(tables, name) == (3, 1)
    assert len(list(files(tables, name).glob("*.parquet"))) == 4
    upkeep.vacuum(tables, name)
    assert len(list(files(tables, name).glob("*.parquet"))) == 1
    assert sorted(row.id for row in tables.read(name).collect()) == [0, 1, 2]


def test_one_table_that_fails_stops_no_other(shop, monkeypatch, capsys):
    def fails_for_orders(tables, table, needed):
        if table.name == "bronze.orders":
            raise PySparkException("disk is full\nat …")
        return "done"

    monkeypatch.setattr(maintenance, "maintain", fails_for_orders)
    create(shop.tables, [feed_contract("stores").bronze])
    with pytest.raises(MaintenanceError, match=r"^bronze\.orders: disk is full$"):
        maintain_layer(shop.tables, "bronze", "3")
    assert "bronze.stores: done" in capsys.readouterr().out
