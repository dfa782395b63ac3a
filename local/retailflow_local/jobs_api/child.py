"""The code that runs in a task's own process, which is forked from a server that has done the slow imports.

This module imports only the standard library. Its functions import Spark, for the job's rules or to end a session.
"""

import json
import os
import runpy
import socket
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit

from retailflow_local import serverless

_CONNECT_TIMEOUT_SECONDS = 2.0


def run_script(
    script: str, parameters: list[str], log: str, error_file: str, environment: dict[str, str], imports: str | None
) -> None:
    """Run a Python file as `python file parameters…` would, with its output in `log`.

    It imports from the folder `imports` first, here and in the Python workers of its Spark session. An uncaught
    exception writes `{"error", "error_trace"}` to `error_file` and ends the process with exit code 1.
    """
    os.setsid()
    _redirect_output(log)
    os.environ.update(environment)
    if "SPARK_REMOTE" in environment:
        serverless.enforce_everywhere()
    if imports:
        _import_from(imports)
    sys.argv = [script, *parameters]
    sys.path.insert(0, os.path.dirname(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception as error:
        frames = error.__traceback__
        while frames and frames.tb_frame.f_code.co_filename != script:
            frames = frames.tb_next  # our frames and runpy's say nothing about the job
        trace = "".join(traceback.format_exception(error.with_traceback(frames)))
        print(trace, end="", file=sys.stderr, flush=True)
        report = {"error": _first_line(error), "error_trace": trace}
        Path(error_file).write_text(json.dumps(report))
        raise SystemExit(1) from None


def _import_from(folder: str) -> None:
    """Make this process, and the workers of its session, import from a folder before they import from the server."""
    ours = {path.name for path in Path(folder).iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    from pyspark.sql.connect.session import SparkSession

    get_or_create, shipped = SparkSession.Builder.getOrCreate, set()

    def with_code(builder: SparkSession.Builder) -> SparkSession:
        session = get_or_create(builder)
        if session.session_id not in shipped:
            shipped.add(session.session_id)
            session.addArtifacts(f"{folder}.zip", pyfile=True)
        return session

    SparkSession.Builder.getOrCreate = with_code


def _redirect_output(log: str) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(target, descriptor)
    os.close(target)
    for stream in (sys.stdout, sys.stderr):
        # Write each line at once, not in blocks, so that the run page shows it as soon as it is printed.
        stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")


def _first_line(error: Exception) -> str:
    """Return `ValueError: message`, with the first line of the message."""
    message = str(error).strip()
    return f"{type(error).__name__}: {message.splitlines()[0]}" if message else type(error).__name__


def interrupt_session(remote: str) -> None:
    """End the queries that a killed client left on the Spark Connect server, and its session.

    `remote` names the session: `sc://host:port/;user_id=…;session_id=…`.
    """
    address = urlsplit(remote)
    try:
        # If no server listens, the client itself would retry for minutes.
        socket.create_connection((address.hostname, address.port), _CONNECT_TIMEOUT_SECONDS).close()
    except OSError:
        return  # no Spark server, no query
    from pyspark.sql import SparkSession

    session = SparkSession.builder.remote(remote).getOrCreate()
    session.interruptAll()
    session.stop()
