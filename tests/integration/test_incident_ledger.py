"""The questions of an incident card, asked of the real tables by Spark."""

import os
from datetime import UTC, date, datetime

import pytest

from retailflow_spark.ledger import TASK_RUNS
from retailflow_spark.release import RELEASES

DAY = date(2026, 1, 15)
AT = datetime(2026, 1, 16, 2, 14, tzinfo=UTC)


class OnSpark:
    """In place of retailflow_airflow.warehouse.Warehouse, which sends the same statements to the same Spark."""

    def __init__(self, spark):
        self.spark = spark

    def rows(self, statement, **parameters):
        return [row.asDict() for row in self.spark.sql(statement, args=parameters).collect()]


@pytest.fixture
def ledger(spark, monkeypatch, tmp_path):
    if "AIRFLOW_HOME" not in os.environ:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    from retailflow_airflow.incident import Ledger

    return Ledger(OnSpark(spark))


def test_the_ledger_answers_what_a_card_asks(ledger, tables):
    tables.create([TASK_RUNS, RELEASES])
    run = {column.name: None for column in TASK_RUNS.columns}
    run |= {
        "ingestion_date": DAY,
        "code_version": "0.1.0",
        "contract_version": "1.0.0",
        "started_at": AT,
        "seconds": 1.0,
    }
    silver = run | {"layer": "silver", "name": "orders", "rows_read": 7, "rows_written": 5, "databricks_run_id": "1"}
    gold = run | {"layer": "gold", "name": "fact_orders", "databricks_run_id": "2"}
    tables.append_once([silver, gold], TASK_RUNS, "runs")
    release = {"release": 1, "versions": {"gold.fact_orders": 3}, "moved": ["gold.fact_orders"]}
    tables.append_once([release | {"databricks_run_id": "2", "published_at": AT}], RELEASES, "release")

    (found,) = ledger.runs("orders", DAY)
    assert (found["layer"], found["ingestion_date"], found["rows_read"], found["rows_written"]) == ("silver", DAY, 7, 5)
    assert ledger.runs("orders", date(2026, 1, 14)) == []
    assert ledger.made(DAY) == {"silver.orders", "gold.fact_orders"}
    orders, sales = ledger.downstream(["gold.fact_orders", "gold.fact_sales"], DAY)
    assert (orders.last_date, orders.published_at.replace(tzinfo=UTC)) == (DAY, AT)
    assert (sales.last_date, sales.published_at) == (None, None)
