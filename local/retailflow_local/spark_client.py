"""Open and close sessions on the workspace's Spark Connect server. No other module does.

pyspark closes a session again when the garbage collector finds it, even if it was stopped. That may happen in any
thread. In the thread that serves a gRPC channel it deadlocks: closing waits for requests that only this thread can
answer, and every query of the process waits with them. So this module leaves nothing for the collector to close.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from retailflow_local import serverless
from retailflow_local.errors import WorkspaceError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def with_parameters(remote: str, **parameters: str) -> str:
    """Return the address `sc://host:port`, which may already have parameters, with these added."""
    given = (f"{name}={value}" for name, value in parameters.items())
    return ";".join([remote if "/;" in remote else f"{remote}/", *given])


def open_session(remote: str, *, is_serverless: bool = True) -> "SparkSession":
    """Open a session in UTC. If the server is gone, its client gives up after seconds; pyspark's own would wait for ten
    minutes, and delay Ctrl-C and the exit of Python.

    Args:
        is_serverless: whether the rules of serverless compute apply. Only a tool that is not a job may bypass them.
    """
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    spark = SparkSession.builder.remote(remote).create()
    spark.client.set_retry_policies([DefaultPolicy(max_retries=4, max_backoff=500)])
    if is_serverless:
        serverless.enforce(spark.client)
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    except BaseException:
        close_session(spark, is_server_gone=True)
        raise
    return spark


def close_session(spark: "SparkSession", *, is_server_gone: bool = False) -> None:
    """Release the session on the server, unless the server is gone, and close its channel for good."""
    spark.release_session_on_close = not is_server_gone
    spark.stop()
    spark.client.close = lambda: None  # what the collector would call


@contextmanager
def session(remote: str, *, is_serverless: bool = True) -> Iterator["SparkSession"]:
    """Open a session as `open_session` does, and close it at the end of the block, while the server still runs.

    Raises: WorkspaceError with Spark's message if it refuses a query.
    """
    from pyspark.errors import PySparkException

    spark = open_session(remote, is_serverless=is_serverless)
    try:
        yield spark
    except PySparkException as error:
        sentence = str(error).partition("JVM stacktrace")[0].strip()
        raise WorkspaceError(f"Spark refused a query; its log has the rest. {sentence}") from error
    finally:
        close_session(spark)
