"""What the tests stand on: one local workspace a run (real Spark Connect, Delta, Azurite, Jobs API), clean tables."""

import uuid
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from retailflow.raw import RawStore
from retailflow_local import azurite
from retailflow_local.workspace import Workspace
from retailflow_spark.tables import Tables

SCHEMAS = ("bronze", "silver", "quarantine", "gold", "ops")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
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
    for schema in SCHEMAS:
        spark.sql(f"DROP SCHEMA IF EXISTS spark_catalog.{schema} CASCADE")
        spark.sql(f"CREATE SCHEMA spark_catalog.{schema}")
    return Tables(spark, "spark_catalog")


@pytest.fixture
def raw(workspace) -> RawStore:
    """A RAW container of the test's own. Its Spark URI is the fixture `raw_root`."""
    container = azurite.container(workspace.ports["azurite"], f"raw-{uuid.uuid4().hex[:12]}")
    store = RawStore(container)
    store.root = f"abfs://{container.container_name}@devstoreaccount1.dfs.core.windows.net"
    return store


@pytest.fixture
def raw_root(raw) -> str:
    return raw.root
