"""A task of data tests names the broken promise; if it cannot ask, it says why."""

from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowException

from retailflow_airflow.data_tests import DataTestError, run_file

PROMISE = """
from airflow.sdk.exceptions import AirflowException

def test_stock_is_known():
    assert {}

def test_every_sale_finds_its_store():
    {}
"""


def ran(tmp_path, stock, sales):
    name = f"test_{uuid4().hex}.py"
    (tmp_path / name).write_text(PROMISE.format(stock, sales))
    run_file(name, str(tmp_path))


def test_a_broken_promise_is_named(tmp_path):
    ran(tmp_path, "True", "pass")
    with pytest.raises(DataTestError, match="not so: stock is known"):
        ran(tmp_path, "False", "pass")


def test_a_warehouse_that_does_not_answer_breaks_no_promise(tmp_path):
    with pytest.raises(AirflowException, match="API requests to Databricks failed"):
        ran(tmp_path, "False", 'raise AirflowException("API requests to Databricks failed 3 times.")')
