"""The base of the tests: one local workspace for a run (real Spark Connect, Delta, Azurite, Jobs API), clean tables."""

import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import empty_catalog, new_container
from pyspark.sql import SparkSession

from retailflow.raw import RawStore
from retailflow_delivery import verification
from retailflow_local.spark_client import session
from retailflow_local.workspace import REPOSITORY, Workspace
from retailflow_spark.delta.writer import Tables

os.environ["RETAILFLOW_ENV"] = "local"  # tests use the local environment, whatever the shell sets
collect_ignore = ["data"]  # they need live tables: the DAG retailflow_data_tests runs them
_RUNNING = "RETAILFLOW_TEST_WORKSPACE"  # set by a test that runs other tests
_SECONDS = Path(__file__).with_name("seconds.json")  # of each file of the short suite, as last recorded
_outcomes: dict[str, Counter[str]] = defaultdict(Counter)
_seconds: dict[str, float] = defaultdict(float)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that two processes end at about the same time. New files count as long."""
    known = json.loads(_SECONDS.read_text())
    items.sort(key=lambda item: -known.get(_file(item.nodeid), float("inf")))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count a test once: by its call, or by the setup that skipped or failed it."""
    _seconds[_file(report.nodeid)] += report.duration
    if report.when == "call" or not report.passed:
        _outcomes[_file(report.nodeid)][report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record the results if recording is on. A run of only some tests of a file is not recorded."""
    options = session.config.option
    is_choice = options.keyword or any("::" in argument for argument in session.config.args)
    is_inner = hasattr(session.config, "workerinput") or _RUNNING in os.environ
    if verification.is_recording() and not is_choice and not is_inner:
        command = "test --full" if options.markexpr == "full" else "test"
        verification.record(REPOSITORY, {f"{command} {file}": counts for file, counts in _outcomes.items()})
        if command == "test":
            known = json.loads(_SECONDS.read_text()) | {file: round(taken) for file, taken in _seconds.items()}
            present = {file: known[file] for file in sorted(known) if (REPOSITORY / file).exists()}
            _SECONDS.write_text(json.dumps(present, indent=1) + "\n")


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    if running := os.environ.get(_RUNNING):
        yield Workspace(Path(running))
        return
    space = Workspace(tmp_path_factory.mktemp("workspace"))
    with space.running(airflow=False):
        yield space


@pytest.fixture(scope="session")
def spark(workspace) -> Iterator[SparkSession]:
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # as the jobs do
    with session(workspace.spark_remote) as spark:
        spark.conf.set("spark.sql.shuffle.partitions", "1")
        yield spark


@pytest.fixture
def tables(spark) -> Tables:
    """The empty catalog."""
    return empty_catalog(spark)


@pytest.fixture(scope="module")
def module_tables(spark) -> Tables:
    """The catalog, empty at first, for a file whose tests share tables."""
    return empty_catalog(spark)


@pytest.fixture
def raw(workspace) -> RawStore:
    """A RAW container for one test. The fixture `raw_root` is its Spark URI."""
    return new_container(workspace)


@pytest.fixture(scope="module")
def module_raw(workspace) -> RawStore:
    """A RAW container for one file of tests."""
    return new_container(workspace)


@pytest.fixture
def raw_root(raw) -> str:
    return raw.root
