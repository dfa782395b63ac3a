"""SQL statements on the real local server and Spark, by databricks-sdk and by our own Warehouse."""

import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal

import psutil
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.sql import (
    ExecuteStatementRequestOnWaitTimeout,
    StatementExecutionAPI,
    StatementParameterListItem,
    StatementState,
)

from retailflow.environments import load_environment
from retailflow_local.workspace import Workspace

from .test_jobs_api import TOKEN, serving, wait_until

ID = load_environment("local").warehouse_id
# Some 20 s of Spark, unless it is interrupted.
LONG = "SELECT count(*) FROM range(100000) a CROSS JOIN range(100000) b WHERE (a.id * b.id) % 7 = 8"


@pytest.fixture(scope="module")
def sql(workspace) -> StatementExecutionAPI:
    return WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token).statement_execution


@pytest.fixture
def warehouse(workspace, monkeypatch, tmp_path):
    if "AIRFLOW_HOME" not in os.environ:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "port": workspace.ports["jobs"]}
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection | {"password": workspace.jobs_token}))
    from retailflow_airflow.warehouse import Warehouse

    return Warehouse(load_environment("local"))


def test_values_come_back_as_what_they_are(warehouse):
    statement = """
        SELECT :day day, :name name, :count + 1 count, 1.50BD price, double(0.25) share, true is_open, null nothing,
               timestamp'2026-01-15 02:00:00.25+01:00' at, array(1, null) numbers, array('a,"b"') words,
               map('gold.fact_sales', 7L) versions, cast(array() AS array<date>) days,
               cast(map() AS map<string, int>) empty, named_struct('a', 1) pair
    """
    (row,) = warehouse.rows(statement, day=date(2026, 1, 15), name="O'Brien; DROP", count=2**40)
    assert row == {
        "day": date(2026, 1, 15),
        "name": "O'Brien; DROP",
        "count": 2**40 + 1,
        "price": Decimal("1.50"),
        "share": 0.25,
        "is_open": True,
        "nothing": None,
        "at": datetime(2026, 1, 15, 1, 0, 0, 250_000, UTC),
        "numbers": [1, None],
        "words": ['a,"b"'],
        "versions": {"gold.fact_sales": 7},
        "days": [],
        "empty": {},
        "pair": {"a": "1"},
    }


def test_all_chunks_of_a_long_result_come_in_order(warehouse):
    rows = warehouse.rows("SELECT id FROM range(25000) ORDER BY id DESC;")
    assert [row["id"] for row in rows] == list(range(24_999, -1, -1))


def test_a_query_that_fails_says_what_the_warehouse_said(warehouse):
    from retailflow_airflow.warehouse import WarehouseError

    with pytest.raises(WarehouseError, match=r"is FAILED: \[TABLE_OR_VIEW_NOT_FOUND\].*ops`.`nowhere"):
        warehouse.rows("SELECT * FROM ops.nowhere")
    with pytest.raises(TypeError, match="parameter day is a datetime; allowed are str, int and date"):
        warehouse.rows("SELECT :day", day=datetime(2026, 1, 15))


def test_a_statement_that_takes_too_long_is_canceled(workspace, warehouse, sql, monkeypatch):
    from retailflow_airflow.warehouse import WarehouseError

    warehouse._patience_seconds = 0
    with pytest.raises(WarehouseError, match="within 0 s; it was canceled") as error:
        warehouse.rows(LONG)
    statement_id = str(error.value).partition("statement ")[2].partition(" ")[0]
    assert sql.get_statement(statement_id).status.state is StatementState.CANCELED


def test_the_sdk_reads_schema_chunks_and_the_cut(sql):
    answer = sql.execute_statement(
        "SELECT cast(id AS decimal(10,2)) price, id FROM range(:last) ORDER BY id",
        ID,
        parameters=[StatementParameterListItem("last", "INT", "25000")],
        row_limit=20_500,
        schema="ops",
    )
    assert (answer.status.state, answer.manifest.truncated) == (StatementState.SUCCEEDED, True)
    assert (answer.manifest.total_row_count, answer.manifest.total_chunk_count) == (20_500, 3)
    price, number = answer.manifest.schema.columns
    assert (price.name, price.type_name.value, price.type_precision, price.type_scale) == ("price", "DECIMAL", 10, 2)
    assert (number.position, number.type_name.value, number.type_text) == (1, "LONG", "BIGINT")
    assert answer.result.data_array[1] == ["1.00", "1"]
    last = sql.get_statement_result_chunk_n(answer.statement_id, 2)
    assert (last.row_offset, last.row_count, last.next_chunk_index) == (20_000, 500, None)
    assert last.data_array[-1] == ["20499.00", "20499"]


def test_a_statement_is_waited_for_or_canceled(sql):
    answer = sql.execute_statement(LONG, ID, wait_timeout="0s")
    assert answer.status.state in (StatementState.PENDING, StatementState.RUNNING)
    wait_until(lambda: sql.get_statement(answer.statement_id).status.state is StatementState.RUNNING)
    sql.cancel_execution(answer.statement_id)
    assert sql.get_statement(answer.statement_id).status.state is StatementState.CANCELED
    canceled = sql.execute_statement(
        LONG, ID, wait_timeout="5s", on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL
    )
    assert canceled.status.state is StatementState.CANCELED
    # Spark has dropped both, so it is free at once.
    assert sql.execute_statement("SELECT 1", ID, wait_timeout="5s").status.state is StatementState.SUCCEEDED


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE ops.task_attempts",
        "INSERT INTO ops.task_attempts SELECT 1",
        "/* SELECT */ -- SELECT\n DELETE FROM ops.task_attempts",
        "CLEAR CACHE",
        "",
    ],
)
def test_a_statement_that_does_not_begin_like_a_query_is_refused(sql, statement):
    with pytest.raises(InvalidParameterValue, match=r"runs queries only|at least 1 character"):
        sql.execute_statement(statement, ID)


@pytest.mark.parametrize(
    "statement",
    [
        "WITH a AS (SELECT 1) INSERT INTO ops.written SELECT * FROM a",
        "SELECT 1) x; DROP TABLE ops.written; SELECT * FROM (SELECT 2",
        "SELECT 1; DROP TABLE ops.written",
        "(SELECT 1) UNION (DELETE FROM ops.written)",
    ],
)
def test_a_statement_that_only_begins_like_a_query_writes_nothing(sql, spark, statement):
    spark.sql("CREATE OR REPLACE TABLE ops.written USING delta AS SELECT 1 AS id")
    answer = sql.execute_statement(statement, ID)
    assert (answer.status.state, answer.status.error.error_code.value) == (StatementState.FAILED, "BAD_REQUEST")
    assert answer.status.error.message.startswith("[PARSE_SYNTAX_ERROR]")
    assert spark.sql("SELECT * FROM ops.written").collect() == [(1,)]
    spark.sql("DROP TABLE ops.written")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"warehouse_id": "x"}, "warehouse_id: String should match pattern"),
        ({"wait_timeout": "3s"}, "wait_timeout: String should match pattern"),
        ({"disposition": "EXTERNAL_LINKS"}, "disposition: Input should be 'INLINE'"),
        ({"sql": "SELECT 1"}, "sql: Extra inputs are not permitted"),
        ({"schema": "a; b"}, "schema: String should match pattern"),
        ({"parameters": [{"name": "day", "value": "15.1.2026", "type": "DATE"}]}, "day '15.1.2026' is not a DATE"),
        ({"parameters": [{"name": "day", "value": "x", "type": "MAP"}]}, "day has type 'MAP'; allowed are STRING, INT"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_with_its_key(workspace, body, sentence):
    import requests

    answer = requests.post(
        f"{workspace.jobs_url}/api/2.0/sql/statements",
        json={"statement": "SELECT 1", "warehouse_id": ID} | body,
        headers={"Authorization": f"Bearer {workspace.jobs_token}"},
        timeout=20,
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert sentence in answer.json()["message"]


def test_an_unknown_statement_is_not_found(sql):
    with pytest.raises(ResourceDoesNotExist, match="The statement nowhere was not found"):
        sql.get_statement("nowhere")


def test_a_server_that_is_asked_no_statement_never_loads_spark(tmp_path):
    with serving(tmp_path, "--spark-remote", "sc://127.0.0.1:9") as server:

        def loaded() -> bool:
            maps = psutil.Process(server.process.pid).memory_maps()
            return any("grpc" in one.path or "pyarrow" in one.path for one in maps)

        assert not loaded()
        sql = WorkspaceClient(host=server.url, token=TOKEN).statement_execution
        answer = sql.execute_statement("SELECT 1", ID, wait_timeout="30s")
        assert (answer.status.state, answer.status.error.error_code.value) == (
            StatementState.FAILED,
            "TEMPORARILY_UNAVAILABLE",
        )
        assert loaded()


@pytest.mark.full
def test_a_spark_server_that_was_restarted_is_found_again(tmp_path):
    with Workspace(tmp_path).running() as own:
        sql = WorkspaceClient(host=own.jobs_url, token=own.jobs_token).statement_execution
        assert sql.execute_statement("SELECT 1", ID, wait_timeout="50s").result.data_array == [["1"]]
        own.processes.stop(["spark"])
        gone = sql.execute_statement("SELECT 1", ID, wait_timeout="50s")
        assert (gone.status.state, gone.status.error.error_code.value) == (
            StatementState.FAILED,
            "TEMPORARILY_UNAVAILABLE",
        )
        own.start(airflow=False)
        again = sql.execute_statement("SELECT 2", ID, wait_timeout="50s")
        assert (again.status.error, again.result and again.result.data_array) == (None, [["2"]])
