"""Airflow on this machine: its settings, its four processes, and a small client of its REST API."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from retailflow.release import FILE_VARIABLE
from retailflow_local import postgres
from retailflow_local.azurite import DATA_ACTIONS, restricted_connection_string
from retailflow_local.downloads import Progress
from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import HOST, Health
from retailflow_local.state import Secrets, as_json, release_file, write_private

USER = "admin"
# Roles of the Simple auth manager: a viewer reads, a user also triggers, clears and marks, an admin may do everything.
ROLES = {USER: "admin", "oncall": "user", "viewer": "viewer"}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PATIENCE_SECONDS = 180
# How long a writer waits for SQLite. The default of 5 s is short on a busy machine; after a minute, clients of the API
# give up too.
_WRITER_SECONDS = 15


def environment(root: Path, repository: Path, ports: dict[str, int], own: Secrets, database: str) -> dict[str, str]:
    """Return the variables that make any `airflow` command work on this workspace. `database` is sqlite or postgres."""
    home = root / "airflow"
    lineage = {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
    url = f"http://{HOST}:{ports['airflow']}"
    databricks = {
        "conn_type": "databricks",
        "schema": "http",
        "host": HOST,
        "port": ports["jobs"],
        "password": own.databricks_token,
    }
    # The name that Airflow itself gives to the DAGs folder, so that older runs keep their bundle.
    bundle = {"name": "dags-folder", "classpath": "retailflow_airflow.release_bundle.ReleaseBundle", "kwargs": {}}
    as_airflow = restricted_connection_string(ports["azurite"], DATA_ACTIONS["airflow"])
    wasb = {"conn_type": "wasb", "extra": {"connection_string": as_airflow}}
    smtp = {
        "conn_type": "smtp",
        "host": HOST,
        "port": ports["smtp"],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "retailflow@retailflow.example"},
    }
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__API__SECRET_KEY": own.airflow_api_secret,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": own.airflow_jwt_secret,
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(repository / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": own.airflow_fernet_key,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(root)),
        # How long a failed task may take to send its e-mail, in seconds: see failure.py.
        "AIRFLOW__CORE__TASK_SUCCESS_OVERTIME": "180",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in ROLES.items()),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": as_json([bundle]),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",  # a changed file is parsed at once
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",  # seconds until a new release or a new DAG file is seen
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _database(database, home, ports, own, "airflow"),
        # OpenLineage delays the end of a deferring task's process by 5 seconds. If the job is done by then, the task is
        # queued again, and the scheduler takes that for a lost worker. Remove this line to look at the events.
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "retailflow",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": as_json(lineage),
        # The supervisor of a task may notice its end one interval late. By then a short job is done and its task queued
        # again. The scheduler takes the late end for that of the resumed task, and so for a lost worker.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "15",  # 15 seconds in all, as by default
        "AIRFLOW_CONN_DATABRICKS_DEFAULT": as_json(databricks),
        "AIRFLOW_CONN_SMTP_DEFAULT": as_json(smtp),
        "AIRFLOW_CONN_WASB_DEFAULT": as_json(wasb),
        "PYTHONPATH": _with_settings(repository / "local" / "airflow_settings"),
        FILE_VARIABLE: str(release_file(root)),
        "RETAILFLOW_DAGS_TEST_DATABASE": _database(database, home, ports, own, "dags_test"),
    }


def _with_settings(folder: Path) -> str:
    """Return PYTHONPATH with the folder of `airflow_local_settings` before the caller's own."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def _database(kind: str, home: Path, ports: dict[str, int], own: Secrets, name: str) -> str:
    return (
        postgres.url(ports["postgres"], own.postgres_password, name)
        if kind == "postgres"
        else f"sqlite:///{home}/{name}.db?timeout={_WRITER_SECONDS}"
    )


def passwords(own: Secrets) -> dict[str, str]:
    """Return the password of each user."""
    return {
        USER: own.airflow_password,
        "oncall": own.airflow_oncall_password,
        "viewer": own.airflow_viewer_password,
    }


def _passwords(root: Path) -> Path:
    return root / "secrets" / "airflow_users.json"


def command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "airflow", *arguments)


def prepare(
    root: Path, own: Secrets, settings: dict[str, str], database: str, postgres_port: int, log: Path, on_step: Progress
) -> None:
    """Create the users and the metadata database, once per Airflow version. A killed first migration starts over."""
    write_private(_passwords(root), as_json(passwords(own)))
    home = root / "airflow"
    marker = home / f"migrated.{database}"
    if marker.exists() and marker.read_text() == version("apache-airflow"):
        return
    on_step("Airflow database", "")
    if database == "sqlite" and not marker.exists():
        (home / "airflow.db").unlink(missing_ok=True)
    for folder in (home, log.parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if database == "postgres":
        postgres.create_database(postgres_port, own.postgres_password, "airflow")
    with log.open("wb") as output:
        result = subprocess.run(command("db", "migrate"), env=settings, stdout=output, stderr=output, check=False)
    if result.returncode:
        raise WorkspaceError(f"Airflow's database could not be prepared; {log} says why.")
    if database == "postgres":  # for `dags test`, see airflow_local_settings.py
        postgres.create_database(postgres_port, own.postgres_password, "dags_test", like="airflow")
    else:
        shutil.copyfile(home / "airflow.db", home / "dags_test.db")
        with closing(sqlite3.connect(home / "airflow.db")) as metadata:
            # By default readers and a writer block each other, and Airflow does both all the time: a request to
            # mark a run once got no answer from the API for a minute.
            metadata.execute("PRAGMA journal_mode=WAL")
    marker.write_text(version("apache-airflow"))


def component_command(component: str) -> tuple[str, ...]:
    """Return the command of a component. It serves no logs to the network, because we read them from disk."""
    return command(component, *(("--skip-serve-logs",) if component in ("scheduler", "triggerer") else ()))


def health(component: str, port: int, find: Callable[[str], psutil.Process | None]) -> Health:
    """Return the check of a component: the API server must answer, and report a heartbeat of each other process."""
    name, key = process_name(component), component.replace("-", "_")
    if component == "api-server":
        return Health(name, port, lambda: bool(_monitored(port)), PATIENCE_SECONDS)

    def beats() -> bool:
        process, monitored = find(name), _monitored(port).get(key, {})
        latest = monitored.get(f"latest_{key}_heartbeat")
        is_own = process and latest and datetime.fromisoformat(latest).timestamp() >= process.create_time()
        return bool(monitored.get("status") == "healthy" and is_own)

    return Health(name, None, beats, PATIENCE_SECONDS)


def process_name(component: str) -> str:
    return f"airflow-{component}"


def _monitored(port: int) -> dict[str, Any]:
    """Return the status and the latest heartbeat of each component; empty if nothing answers."""
    try:
        answer = requests.get(f"http://{HOST}:{port}/api/v2/monitor/health", timeout=5)
        return answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError):
        return {}


class AirflowClient:
    """The calls of Airflow's REST API that the commands need. Every method raises WorkspaceError if Airflow refuses."""

    def __init__(self, url: str, password: str, user: str = USER) -> None:
        self._url = url
        self._session = requests.Session()
        # Requests that only read are repeated: on a busy machine Airflow's server may not answer for a minute.
        self._session.mount(url, HTTPAdapter(max_retries=Retry(total=4, allowed_methods=["GET"], backoff_factor=1)))
        answer = self._session.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=30)
        if not answer.ok:
            raise WorkspaceError(f"Airflow at {url} refused the workspace's own password: {answer.text}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def wait_for_dag(self, dag_id: str, seconds: float = 120) -> None:
        """Wait until the DAG has been parsed. Raises: WorkspaceError also for an import error of any DAG."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._session.get(f"{self._url}/api/v2/dags/{quote(dag_id)}", timeout=30)
            if answer.ok:
                return
            if errors := self._get("importErrors")["import_errors"]:
                raise WorkspaceError(f"{errors[0]['filename']} cannot be loaded:\n{errors[0]['stack_trace']}")
            if time.monotonic() > deadline:
                raise WorkspaceError(f"Airflow does not know the DAG {dag_id} after {seconds:.0f} s.")
            time.sleep(0.5)

    def trigger(self, dag_id: str, logical_date: datetime, conf: dict[str, Any] | None = None) -> str:
        """Start a run and return its id. Airflow refuses a second run with the same logical date."""
        body = {"logical_date": logical_date.isoformat(), "conf": conf or {}}
        return self._changed("POST", self._runs(dag_id), body)["dag_run_id"]

    def dag(self, dag_id: str) -> dict[str, Any]:
        """Return Airflow's description of a DAG, which includes the `bundle_version` of its next run."""
        return self._get(f"dags/{quote(dag_id)}")

    def dag_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run, with `state` (queued, running, success, failed), `start_date` and `end_date`."""
        return self._checked(self._session.get(f"{self._runs(dag_id)}/{quote(run_id)}", timeout=60))

    def dag_runs(self, dag_id: str, run_type: str) -> list[dict[str, Any]]:
        """Return the runs of a type (scheduled, manual, backfill, asset_triggered), by logical date."""
        parameters = {"run_type": run_type, "order_by": "logical_date", "limit": 1000}
        return self._checked(self._session.get(self._runs(dag_id), params=parameters, timeout=60))["dag_runs"]

    def newest_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return at most 100 runs, newest first, with `dag_run_id`, `state`, `conf`, `logical_date`, `run_after`."""
        parameters = {"order_by": "-run_after", "limit": 100}
        return self._checked(self._session.get(self._runs(dag_id), params=parameters, timeout=60))["dag_runs"]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return the value that a task stored under that key, or None if there is none."""
        url = f"{self._runs(dag_id)}/{quote(run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        answer = self._session.get(url, params={"deserialize": True}, timeout=60)
        return None if answer.status_code == 404 else self._checked(answer)["value"]

    def backfill(self, dag_id: str, first: datetime, last: datetime, **options: Any) -> None:
        """Start a backfill. Options are the API's: max_active_runs, run_backwards, reprocess_behavior, …"""
        body = {"dag_id": dag_id, "from_date": first.isoformat(), "to_date": last.isoformat(), **options}
        self._changed("POST", f"{self._url}/api/v2/backfills", body)

    def backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the backfills, with `id` and `completed_at`, which is null while a backfill is active."""
        return self._get(f"backfills?dag_id={quote(dag_id)}")["backfills"]

    def cancel_backfill(self, number: int) -> None:
        """Cancel a backfill, as the button of that name does: none of its remaining runs will start."""
        self._changed("PUT", f"{self._url}/api/v2/backfills/{number}/cancel")

    def mark_failed(self, dag_id: str, run_id: str) -> None:
        """End a run as failed, as *Mark Dag Run as…* does."""
        self._changed("PATCH", f"{self._runs(dag_id)}/{quote(run_id)}", {"state": "failed"})

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Run all tasks of a run again, as the button *Clear* of a run does."""
        url = f"{self._runs(dag_id)}/{quote(run_id)}/clear"
        self._changed("POST", url, {"dry_run": False})

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Run a task and all tasks after it again, as the button of that name does."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True}
        body |= {"only_failed": False, "reset_dag_runs": True}
        url = f"{self._url}/api/v2/dags/{quote(dag_id)}/clearTaskInstances"
        self._changed("POST", url, body)

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Run the failed tasks and all tasks after them again, as *Clear only failed tasks* of a run does."""
        body = {"dry_run": False, "dag_run_id": run_id, "include_downstream": True, "only_failed": True}
        self._changed("POST", f"{self._url}/api/v2/dags/{quote(dag_id)}/clearTaskInstances", body)

    def tasks(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the tasks, with `task_id` and `downstream_task_ids`."""
        return self._get(f"dags/{quote(dag_id)}/tasks")["tasks"]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return a run's tasks: `task_id`, `state`, `start_date`, `end_date`, `try_number`, `map_index`, `note`."""
        url = f"{self._runs(dag_id)}/{quote(run_id)}/taskInstances"
        return self._checked(self._session.get(url, params={"limit": 1000}, timeout=60))["task_instances"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> str:
        """Return the log of one try, one line per event. An exception's message follows its event, as in the UI."""
        url = f"{self._runs(dag_id)}/{quote(run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        parameters = {"map_index": map_index, "full_content": True}
        content = self._checked(self._session.get(url, params=parameters, timeout=60))["content"]
        return "\n".join(text for line in content for text in _texts(line))

    def _runs(self, dag_id: str) -> str:
        return f"{self._url}/api/v2/dags/{quote(dag_id)}/dagRuns"

    def _changed(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request that changes something, and return the answer.

        On SQLite the request may block Airflow's server until the database times out: it writes to the audit log in the
        event loop that a task needs to end its own transaction. Airflow then keeps nothing of it, so it is sent again.
        """
        for _ in range(3):
            answer = self._session.request(method, url, json=body, timeout=60)
            if answer.status_code != 500:
                break
        return self._checked(answer)

    def _get(self, path: str) -> dict[str, Any]:
        return self._checked(self._session.get(f"{self._url}/api/v2/{path}", timeout=60))

    @staticmethod
    def _checked(answer: requests.Response) -> dict[str, Any]:
        if not answer.ok:
            raise WorkspaceError(f"Airflow answered {answer.status_code} to {answer.request.url}: {answer.text}")
        return answer.json()


def _texts(line: dict[str, Any] | str) -> list[str]:
    if isinstance(line, str):
        return [line]
    raised = (f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ())
    return [str(line["event"]), *raised]
