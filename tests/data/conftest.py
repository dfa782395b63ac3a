"""Checks of live tables, run by the DAG `retailflow_data_tests`. They read through the environment's SQL warehouse."""

from collections.abc import Callable
from typing import Any

import pytest

from retailflow_airflow.warehouse import Warehouse


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[dict[str, Any]]]:
    """`rows(query, **parameters)`: what the warehouse answers."""
    return Warehouse().rows
