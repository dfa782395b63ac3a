"""The state of a workspace under its root: ports, simulated world, kind of database, and secrets (mode 0600)."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retailflow.environments import ConnectionString, load_environment
from retailflow_local.azurite import DATA_ACTIONS, restricted_connection_string
from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import any_free_port, is_free

PREFERRED_PORTS = {
    "azurite": 10000,
    "spark": 15002,
    "sources": 18081,
    "jobs": 18443,
    "airflow": 8080,
    "smtp": 1025,
    "mail": 8025,
    "postgres": 5432,
}


def workspace_files(root: Path) -> Path:
    """Return the folder that represents /Workspace/retailflow."""
    return root / "workspace"


def release_file(root: Path) -> Path:
    """Return the file that names the release for new DAG runs."""
    return root / "release"


@dataclass(frozen=True)
class Simulation:
    """The world that the sources API and the file feeds share. Trouble is `some` or `none`."""

    seed: int = 7
    scale: float = 1.0
    trouble: str = "some"


@dataclass(frozen=True)
class State:
    """The settings of a workspace. `database` is the kind of Airflow's metadata database: sqlite or postgres."""

    ports: dict[str, int] = field(default_factory=dict)
    simulation: Simulation = field(default_factory=Simulation)
    database: str = "sqlite"


@dataclass(frozen=True)
class Secrets:
    """The secrets of a workspace, generated once."""

    databricks_token: str
    orders_api_token: str
    crm_api_token: str
    airflow_password: str
    airflow_oncall_password: str
    airflow_viewer_password: str
    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_api_secret: str
    postgres_password: str
    spark_token: str

    @classmethod
    def generate(cls) -> "Secrets":
        tokens = {name: secrets.token_urlsafe(64) for name in cls.__dataclass_fields__}
        fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        typed = {
            name: secrets.token_urlsafe(12) for name in tokens if name.startswith("airflow_") and "password" in name
        }
        return cls(**tokens | typed | {"airflow_fernet_key": fernet_key})


def read_state(root: Path) -> State:
    path = root / "workspace.json"
    if not path.exists():
        return State()
    try:
        content = json.loads(path.read_text())
        return State(content["ports"], Simulation(**content["simulation"]), content.get("database", "sqlite"))
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path} is damaged ({error}). Delete it; ports are then chosen anew.") from error


def write_state(root: Path, state: State) -> None:
    write_private(root / "workspace.json", json.dumps(asdict(state), indent=1))


def choose_ports(wished: dict[str, int], kept: dict[str, int], *, beside: bool = False) -> dict[str, int]:
    """Return one port per service: the port it has, else the requested one, else the usual one if free, else any.

    A workspace `beside` the usual one takes any port, so that two that start at once do not choose the same.
    """
    ports = dict(kept)
    for service, usual in PREFERRED_PORTS.items():
        wish = wished.get(service)
        if service in kept and wish not in (None, kept[service]):
            raise WorkspaceError(f"{service} already runs on port {kept[service]}. Run ./retailflow down first.")
        if service not in kept:
            if wish and not is_free(wish):
                raise WorkspaceError(f"Port {wish}, asked for {service}, is in use. Give another, or free it.")
            is_usual = not beside and is_free(usual) and usual not in ports.values()
            ports[service] = wish or (usual if is_usual else any_free_port(ports.values()))
    return ports


def load_secrets(root: Path) -> Secrets:
    """Return the workspace's own secrets. Missing ones are generated."""
    path = root / "secrets" / "workspace.json"
    try:
        kept = json.loads(path.read_text()) if path.exists() else {}
        if missing := set(Secrets.__dataclass_fields__) - set(kept):
            kept |= {name: value for name, value in asdict(Secrets.generate()).items() if name in missing}
            write_private(path, json.dumps(kept, indent=1))
        return Secrets(**kept)
    except (ValueError, TypeError) as error:
        raise WorkspaceError(f"{path} is damaged. Run ./retailflow down, delete it, and start again.") from error


def write_key_vault(root: Path, own: Secrets, blob_port: int) -> Path:
    """Write the Jobs API's secret scopes, {scope: {key: value}}, under the names that the local environment reads."""
    environment = load_environment("local")
    raw = {"ingestion": environment.raw.credential, "eraser": environment.raw.eraser}
    keys = {
        environment.sources["orders"].token_secret: own.orders_api_token,
        environment.sources["customers"].token_secret: own.crm_api_token,
    }
    for role, credential in raw.items():
        assert isinstance(credential, ConnectionString), "the local environment reaches RAW by connection string"
        keys[credential.connection_string_secret] = restricted_connection_string(blob_port, DATA_ACTIONS[role])
    path = root / "secrets" / "key_vault.json"
    write_private(path, json.dumps({environment.secret_scope: keys}, indent=1))
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file completely or not at all, never readable by others. Raises: WorkspaceError if that is impossible."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            fresh.unlink()
            raise WorkspaceError(
                f"The file system of {path.parent} keeps no access rights; a Windows drive, exFAT and many network "
                "shares do not. Everybody could read secrets there. Move the checkout to a Linux file system, or set "
                "RETAILFLOW_HOME to a folder on one."
            )
        file.write(text)
    fresh.replace(path)


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
