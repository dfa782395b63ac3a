"""We close sessions ourselves, so that the garbage collector, which may run in any thread, has none to close."""

import gc
import re
import weakref
from threading import Thread
from unittest.mock import patch

import pytest
from pyspark.errors import PySparkException
from pyspark.sql.connect.client.core import SparkConnectClient

from retailflow_local.spark_client import close_session, open_session, session, with_parameters
from retailflow_local.workspace import REPOSITORY

# The files that may create a session: the two that open ours, and processes that keep one for their whole life.
_CREATES = re.compile(r"SparkSession\.builder")
_MAY_CREATE = {
    "delivery/checks/contracts.py",
    "local/retailflow_local/jobs_api/child.py",
    "local/retailflow_local/spark_client.py",
    "spark_jobs/retailflow_spark/job/entry.py",
    "tests/integration/test_task_environments.py",
    "tests/support/refused_jobs/opens_a_session.py",
}


def test_the_collector_finds_nothing_to_close_after_a_session(workspace):
    """pyspark closes the sessions that it collects. With a request of the same thread open, that waits for ever."""
    with session(workspace.spark_remote) as spark:
        assert spark.range(3).count() == 3
    gone = weakref.ref(spark)
    with patch.object(SparkConnectClient, "close", side_effect=AssertionError("closed by the collector")) as closing:
        del spark
        gc.collect()
        assert gone() is None
    assert closing.call_count == 0


def test_a_session_whose_server_is_gone_closes_at_once(workspace):
    spark = open_session(workspace.spark_remote)
    with patch.object(SparkConnectClient, "release_session", side_effect=AssertionError("asked the server")) as asked:
        closing = Thread(target=close_session, args=(spark,), kwargs={"is_server_gone": True})
        closing.start()
        closing.join(30)
    assert not closing.is_alive()
    assert asked.call_count == 0


def test_no_other_code_creates_sessions():
    folders = ("benchmarks", "dags", "delivery", "include", "local", "plugins", "spark_jobs", "tests")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py") if ".venv" not in path.parts]
    found = {str(path.relative_to(REPOSITORY)) for path in files if _CREATES.search(path.read_text("utf-8"))}
    assert found - {"tests/integration/test_spark_client.py"} == _MAY_CREATE


@pytest.mark.parametrize("given", [{}, {"token": "0" * 64}])
def test_without_its_token_the_server_gives_nobody_a_session(workspace, given):
    """Anyone with a session can run code as the user of the server."""
    with pytest.raises(PySparkException, match=r"(?i)unauthenticated|authentication|token"):
        open_session(with_parameters(workspace.spark_address, user_id="stranger", **given))
