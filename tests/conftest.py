"""What the tests stand on: one local workspace a run (real Spark Connect, Delta, Azurite, Jobs API), clean tables."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import empty_catalog, new_container
from pyspark.sql import SparkSession

from retailflow.raw import RawStore
from retailflow_local.workspace import Workspace
from retailflow_spark.tables import Tables

collect_ignore = ["data"]  # they need live tables: the DAG retailflow_data_tests runs them


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    if running := os.environ.get("RETAILFLOW_TEST_WORKSPACE"):  # a test that runs other tests
        yield Workspace(Path(running))
        return
    space = Workspace(tmp_path_factory.mktemp("workspace"))
    with space.running(airflow=False):
        yield space


@pytest.fixture(scope="session")
def spark(workspace) -> Iterator[SparkSession]:
    session = SparkSession.builder.remote(workspace.spark_remote).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.shuffle.partitions", "1")
    yield session
    session.stop()


@pytest.fixture
def tables(spark) -> Tables:
    """The catalog, empty."""
    return empty_catalog(spark)


@pytest.fixture(scope="module")
def module_tables(spark) -> Tables:
    """The catalog, empty at first: for the tests of one file that tell a story in order."""
    return empty_catalog(spark)


@pytest.fixture
def raw(workspace) -> RawStore:
    """A RAW container of the test's own. Its Spark URI is the fixture `raw_root`."""
    return new_container(workspace)


@pytest.fixture(scope="module")
def module_raw(workspace) -> RawStore:
    """A RAW container of the file's own."""
    return new_container(workspace)


@pytest.fixture
def raw_root(raw) -> str:
    return raw.root
