"""The local workspace: the services that replace Azure and Databricks on one machine, started and stopped together.

All its data is under its root. A second workspace with another root can run beside it.
"""

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import requests

from retailflow.environments import load_environment
from retailflow.raw import RawStore
from retailflow.release import Release
from retailflow_local import airflow, azurite, commands, postgres, releases, spark_server
from retailflow_local.commands import REPOSITORY, inherited
from retailflow_local.downloads import Progress
from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import HOST, Health, Processes, restarted
from retailflow_local.spark_client import with_parameters
from retailflow_local.state import (
    Secrets,
    Simulation,
    State,
    choose_ports,
    load_secrets,
    read_state,
    release_file,
    write_state,
)

_SEPARATORS = ",;:?#"
DEFAULT_ROOT = Path(os.environ.get("RETAILFLOW_HOME") or REPOSITORY) / ".local"
CORE = ("spark", "azurite", "sources", "jobs", "mail")  # in the order of starting: the slowest first
AIRFLOW = tuple(airflow.process_name(component) for component in airflow.COMPONENTS)
DATABASE = "postgres"  # of Airflow, if requested
PROCESSES = (*CORE, DATABASE, *AIRFLOW)
TITLES = {
    "spark": "Spark Connect server",
    "azurite": "Blob emulator",
    "sources": "Source systems",
    "jobs": "Databricks Jobs API",
    DATABASE: "PostgreSQL",
    "mail": "Mail sink",
    "airflow-api-server": "Airflow API server",
    "airflow-scheduler": "Airflow scheduler",
    "airflow-dag-processor": "Airflow DAG processor",
    "airflow-triggerer": "Airflow triggerer",
}


def _quiet(step: str, detail: str) -> None:
    pass


class Workspace:
    """`with Workspace(root).running(): …` for tests, `start()` and `stop()` for commands.

    Addresses are valid once it has been started.
    """

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        self.root = Path(root).resolve()
        self.processes = Processes(self.root)

    @contextmanager
    def running(self, *, airflow: bool = False, on_step: Progress = _quiet, **wishes: Any) -> Iterator["Workspace"]:
        """Start the workspace for the block, as `start` does. What ran before keeps running after it."""
        started = self.start(airflow=airflow, on_step=on_step, **wishes)
        try:
            yield self
        finally:
            self.stop(started)

    def start(
        self,
        *,
        airflow: bool = True,
        ports: dict[str, int] | None = None,
        simulation: Simulation | None = None,
        database: str | None = None,
        on_step: Progress = _quiet,
    ) -> list[str]:
        """Start the processes that do not run, and wait until all are healthy. Returns the names of the started ones.

        `database` is sqlite or postgres; by default, that of the last start.

        Raises:
            WorkspaceError: something is missing or does not become healthy; the started processes are stopped again.
        """
        self._refuse_path()
        with self._alone():
            self._remember(ports or {}, simulation, database)
            wanted = self.names if airflow else CORE
            missing = [name for name in wanted if self.processes.find(name) is None]
            on_step("Release of the jobs", "")
            releases.deploy(self.root)
            self.processes.stop(missing)  # a service that died may have left children
            try:
                self._start_all(missing, on_step)
            except BaseException:
                self.processes.stop(reversed(missing))
                raise
            return missing

    def stop(self, names: list[str] | None = None) -> list[str]:
        """Stop these processes, or all. Airflow stops first, so that it submits nothing to services that stop."""
        with self._alone(wait=True):
            wanted = PROCESSES if names is None else names
            found = [name for name in wanted if self.processes.members([name])]
            for group in (AIRFLOW, ("jobs", DATABASE), ("sources", "spark", "azurite", "mail")):
                self.processes.stop([name for name in group if name in wanted])
            return found

    @property
    def names(self) -> tuple[str, ...]:
        """The processes of the whole workspace."""
        return PROCESSES if read_state(self.root).database == "postgres" else CORE + AIRFLOW

    def health(self, name: str) -> Health:
        """Return a process's health check. Raises: KeyError for a name that is not in PROCESSES."""
        ports = self.ports
        if name in AIRFLOW:
            return airflow.health(name.removeprefix("airflow-"), ports["airflow"], self.processes.find)
        return {
            "spark": Health("spark", ports["spark"], patience_seconds=120),
            "azurite": Health("azurite", ports["azurite"]),
            "sources": Health("sources", ports["sources"], lambda: _answers(f"{self.sources_url}/healthz")),
            "jobs": Health("jobs", ports["jobs"], lambda: _answers(f"{self.jobs_url}/healthz")),
            DATABASE: Health(
                DATABASE, ports["postgres"], lambda: postgres.answers(ports["postgres"], self.secrets.postgres_password)
            ),
            "mail": Health("mail", ports["mail"], lambda: _answers(f"{self.mail_url}/healthz")),
        }[name]

    def environment(self) -> dict[str, str]:
        """Return the caller's environment with `settings`, for Airflow's processes and people's `airflow` commands."""
        return inherited() | self.settings()

    def settings(self) -> dict[str, str]:
        """Return the variables that connect Airflow and our code to this workspace. They contain secrets."""
        return {
            **airflow.environment(self.root, REPOSITORY, self.ports, self.secrets, read_state(self.root).database),
            "RETAILFLOW_DBT": str(Path(sys.executable).parent / "retailflow-dbt"),
            "RETAILFLOW_ENV": "local",
            "RETAILFLOW_REPORT": str(self.root / "report" / "index.html"),
            "RETAILFLOW_SOURCES_URL": self.sources_url,
            "SPARK_REMOTE": self.spark_remote,  # for dbt; Airflow itself has no Spark
        }

    @property
    def ports(self) -> dict[str, int]:
        if ports := read_state(self.root).ports:
            return ports
        raise WorkspaceError("The workspace has never been started. Start it with ./retailflow up.")

    @property
    def release(self) -> Release:
        """The release that new DAG runs use."""
        return Release(release_file(self.root).read_text().strip())

    @property
    def simulation(self) -> Simulation:
        return read_state(self.root).simulation

    @property
    def secrets(self) -> Secrets:
        return load_secrets(self.root)

    @property
    def spark_address(self) -> str:
        """The server's address by name: without TLS a client sends its token only to localhost."""
        return f"sc://localhost:{self.ports['spark']}"

    @property
    def spark_remote(self) -> str:
        """The server's address with the token that it requires."""
        return with_parameters(self.spark_address, token=self.secrets.spark_token)

    @property
    def jobs_url(self) -> str:
        return f"http://{HOST}:{self.ports['jobs']}"

    @property
    def jobs_token(self) -> str:
        return self.secrets.databricks_token

    @property
    def sources_url(self) -> str:
        return f"http://{HOST}:{self.ports['sources']}"

    @property
    def mail_url(self) -> str:
        return f"http://{HOST}:{self.ports['mail']}"

    @property
    def airflow_url(self) -> str:
        return f"http://{HOST}:{self.ports['airflow']}"

    @property
    def airflow_password(self) -> str:
        return self.secrets.airflow_password

    def require_spark(self) -> None:
        """Raises: WorkspaceError if the Spark server does not run."""
        if not self.processes.find("spark"):
            raise WorkspaceError("The Spark server does not run. Start the workspace with ./retailflow up.")

    def raw_store(self) -> RawStore:
        return RawStore(azurite.container(self.ports["azurite"]), load_environment("local").raw.root)

    def airflow_client(self) -> airflow.AirflowClient:
        return airflow.AirflowClient(self.airflow_url, self.airflow_password)

    def command(self, name: str, on_step: Progress = _quiet) -> commands.Command:
        """Return the command of a process and its environment, after what it needs was fetched and prepared."""
        return commands.command_of(self, name, on_step)

    def become(self, name: str) -> NoReturn:
        """Replace this process with that one, as a container does. Airflow then uses PostgreSQL."""
        with self._alone(wait=True):
            if not read_state(self.root).ports:
                self._remember({}, None, "postgres")
            releases.deploy(self.root)
            command, environment = self.command(name)
        self.processes.become(name, command, environment)

    def furnish(self, on_step: Progress = _quiet) -> None:
        """Create what the processes need of each other, once CORE and the database run: container, schemas, users."""
        azurite.container(self.ports["azurite"])
        spark_server.create_schemas(self.spark_remote)
        self._prepare_airflow(on_step)

    def _refuse_path(self) -> None:
        """Raises: WorkspaceError if a path has a character that some part of the stack takes for the end of a path."""
        for path in (self.root, REPOSITORY):
            if found := sorted(set(str(path)) & set(_SEPARATORS)):
                raise WorkspaceError(
                    f"The path {path} has {' '.join(found)} in it, which Spark, Derby, SQLite or Python take for the "
                    "end of a path. Move or rename the folder; RETAILFLOW_HOME may name another one for what we write."
                )

    def _remember(self, wished: dict[str, int], simulation: Simulation | None, database: str | None) -> None:
        """Store ports, world and database. The ports stay while a process runs, because it knows the others' ports."""
        state = read_state(self.root)
        runs = [name for name in PROCESSES if self.processes.find(name)]
        if set(runs) & set(AIRFLOW) and database not in (None, state.database):
            raise WorkspaceError(f"Airflow runs on {state.database}. Run ./retailflow down first.")
        if "sources" in runs and simulation not in (None, state.simulation):
            raise WorkspaceError("The sources run with another seed, scale or trouble. Run ./retailflow down first.")
        ports = choose_ports(wished, state.ports if runs else {}, beside=self.root != DEFAULT_ROOT)
        write_state(self.root, State(ports, simulation or state.simulation, database or state.database))

    def _start_all(self, missing: list[str], on_step: Progress) -> None:
        """Start everything side by side, but start Airflow's processes that run tasks only after what tasks need."""
        core = [name for name in CORE if name in missing]
        self._start(core, on_step)
        server, *runners = AIRFLOW
        if set(AIRFLOW) & set(missing):
            database = [name for name in (DATABASE,) if name in missing]
            self._start(database)
            self._wait(database, on_step)
            self._prepare_airflow(on_step)
        self._start(name for name in (server,) if name in missing)
        self._wait(reversed(core), on_step)
        azurite.container(self.ports["azurite"])
        if "spark" in missing:
            on_step("Schemas", "")
            spark_server.create_schemas(self.spark_remote)
        self._start(name for name in runners if name in missing)
        self._wait([name for name in AIRFLOW if name in missing], on_step)

    def _prepare_airflow(self, on_step: Progress) -> None:
        kind, log = read_state(self.root).database, self.processes.log("airflow-database")
        airflow.prepare(self.root, self.secrets, self.environment(), kind, self.ports["postgres"], log, on_step)

    def _start(self, names: Iterable[str], on_step: Progress = _quiet) -> None:
        """Start processes without waiting, so that they get ready side by side."""
        for name in names:
            command, environment = self.command(name, on_step)
            # On SQLite, which locks no rows, Airflow's scheduler can fail when somebody clears a task that it works on.
            again = name == airflow.process_name("scheduler")
            self.processes.start(name, restarted(command) if again else command, environment)

    def _wait(self, names: Iterable[str], on_step: Progress) -> None:
        for name in names:
            on_step(TITLES[name], "")
            self.processes.wait(self.health(name))

    @contextmanager
    def _alone(self, *, wait: bool = False) -> Iterator[None]:
        """Allow one start or stop at a time for this root. Raises: WorkspaceError if another runs, unless `wait`."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise WorkspaceError(
                    f"Another command is starting or stopping the workspace in {self.root}. Wait for it to end."
                ) from None
            yield


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
