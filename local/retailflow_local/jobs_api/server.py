"""The command line: check the options, connect the parts, and serve on loopback until SIGTERM."""

import argparse
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from retailflow_local.jobs_api.api import Service, create_app
from retailflow_local.jobs_api.environments import Environments
from retailflow_local.jobs_api.runner import Runner, Workspace
from retailflow_local.jobs_api.statements import Statements
from retailflow_local.jobs_api.store import Store
from retailflow_local.jobs_api.vault import Vault
from retailflow_local.jobs_api.warehouse import Warehouse
from retailflow_local.spark_client import with_parameters

_HOST = "127.0.0.1"
# Otherwise every task would need seconds to import them: 3 for Spark, 2 for the SDK.
_PRELOAD = "pyspark.sql.connect.session,pyspark.sql.functions,pandas,pyarrow,pydantic,yaml,databricks.sdk"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m retailflow_local.jobs_api",
        description="The local workspace's Databricks REST server. The bearer token is read from the environment"
        " variable RETAILFLOW_DATABRICKS_TOKEN, the path of the secrets file from RETAILFLOW_SECRETS_FILE, the token of"
        " the Spark Connect server from RETAILFLOW_SPARK_TOKEN.",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="directory of the run database and the logs")
    parser.add_argument("--workspace-files", type=Path, required=True, help="what /Workspace/retailflow/ names")
    parser.add_argument("--max-concurrent-runs", type=int, default=3)
    parser.add_argument(
        "--start-seconds", type=float, default=0, help="how long each task waits for compute, as in the cloud"
    )
    parser.add_argument("--spark-remote", help="the Spark Connect server, as sc://127.0.0.1:15002")
    parser.add_argument("--preload", default=_PRELOAD, help="modules imported once, before any task: a,b,c")
    parser.add_argument("--faults", action="store_true", help="serve POST /_faults (tests only)")
    return parser.parse_args()


def main() -> None:
    options = _options()
    # Remove them from the environment: a task gets the token under its Databricks name, and secrets only from the API.
    token = os.environ.pop("RETAILFLOW_DATABRICKS_TOKEN", "")
    secrets_file = os.environ.pop("RETAILFLOW_SECRETS_FILE", "")
    spark_token = os.environ.pop("RETAILFLOW_SPARK_TOKEN", "")
    if not token:
        sys.exit("RETAILFLOW_DATABRICKS_TOKEN is not set; it is the bearer token that clients must send")
    # numpy and Arrow read these at import. Tasks share few cores, and a process that is forked must have one thread.
    os.environ |= {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }
    logs = options.state / "logs"
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _exclusive(options.state), _listen(options.port) as listener:
        try:
            vault = Vault(Path(secrets_file) if secrets_file else None, token)
        except PermissionError as error:
            sys.exit(str(error))
        base_url = f"http://{_HOST}:{options.port}"
        environment = {"DATABRICKS_HOST": base_url, "DATABRICKS_TOKEN": token}
        remote = options.spark_remote.rstrip("/") if options.spark_remote else None
        if remote and spark_token:
            remote = with_parameters(remote, token=spark_token)
        environments = Environments(options.state / "environments", options.workspace_files)
        workspace = Workspace(options.workspace_files, environments, logs, environment, remote)
        store = Store(options.state / "runs.sqlite")
        preload = [name for name in options.preload.split(",") if name]
        runner = Runner(store, workspace, vault.redact, options.max_concurrent_runs, preload, options.start_seconds)
        statements = Statements(Warehouse(remote))
        service = Service(token, base_url, options.workspace_files, store, runner, statements, vault, workspace.log)
        app = create_app(service, options.faults)
        app.router.lifespan_context = _lifespan(runner, statements)
        # uvicorn shuts down cleanly at a signal and then raises it again. The exit code must report the clean shutdown.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        print(f"Databricks REST API on {base_url}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])


def _lifespan(runner: Runner, statements: Statements):
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runner.recover()
        yield
        statements.close()
        runner.close()

    return lifespan


def _exclusive(state: Path):
    """Lock the state directory: a second server would take the first server's runs for dead and kill them."""
    os.chmod(state, 0o700)
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another server uses {state}; stop it, or give another --state")
    return lock


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        sys.exit(
            f"port {port} on {_HOST} cannot be used ({error.strerror}); stop what holds it, or give another --port"
        )
