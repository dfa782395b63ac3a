"""The queries of an incident card, on real tables through the local SQL warehouse."""

import json
import os
from datetime import UTC, date, datetime

import pytest
from logged import log

from retailflow.environments import load_environment
from retailflow_spark.delta.schema import create
from retailflow_spark.publish.release import RELEASES

DAY = date(2026, 1, 15)
AT = datetime(2026, 1, 16, 2, 14, tzinfo=UTC)


@pytest.fixture
def run_log(workspace, monkeypatch, tmp_path):
    if "AIRFLOW_HOME" not in os.environ:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "port": workspace.ports["jobs"]}
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection | {"password": workspace.jobs_token}))
    from retailflow_airflow.incident import RunLog
    from retailflow_airflow.warehouse import Warehouse

    return RunLog(Warehouse(load_environment("local")))


def test_before_the_first_run_the_run_log_knows_of_none(run_log, tables):
    assert (run_log.silver(DAY, DAY), run_log.made(DAY)) == ({}, frozenset())


def test_the_run_log_answers_what_a_card_asks(run_log, tables):
    create(tables, [RELEASES])
    log(tables, "silver", "orders", DAY, rows_read=7, rows_written=5, started_at=AT)
    log(tables, "gold", "fact_orders", DAY, started_at=AT)
    release = {"release": 1, "versions": {"gold.fact_orders": 3}, "moved": ["gold.fact_orders"]}
    tables.append_rows([release | {"databricks_run_id": "2", "published_at": AT}], RELEASES)

    (found,) = run_log.runs("orders", DAY)
    assert (found["layer"], found["ingestion_date"], found["rows_read"], found["rows_written"]) == ("silver", DAY, 7, 5)
    assert run_log.runs("orders", date(2026, 1, 14)) == []
    assert run_log.silver(date(2026, 1, 14), DAY) == {DAY: ["orders"]}
    assert run_log.silver(date(2026, 1, 14), date(2026, 1, 14)) == {}
    assert run_log.made(DAY) == {"silver.orders", "gold.fact_orders"}
    orders, sales = run_log.downstream(["gold.fact_orders", "gold.fact_sales"], DAY)
    assert (orders.last_date, orders.published_at) == (DAY, AT)
    assert (sales.last_date, sales.published_at) == (None, None)
