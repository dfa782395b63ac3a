"""PostgreSQL for Airflow's metadata, from the machine's own packages: `./retailflow up --postgres`."""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import HOST
from retailflow_local.state import write_private

USER = "airflow"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
}
_ACCOUNT = "postgres"  # the server refuses to run as root; Debian's package creates this account


def url(port: int, password: str, database: str = USER) -> str:
    return f"postgresql+psycopg2://{USER}:{password}@{HOST}:{port}/{database}"


def folder(root: Path, password: str) -> Path:
    """Return the folder of the cluster: in the workspace or, for root, in the home of the PostgreSQL account.

    The account cannot read root's files. In its home the folder's name depends on the password too, so that a workspace
    that was deleted and created again gets a new folder.
    """
    return root / "postgres" if os.geteuid() else _home() / f"{_prefix(root)}{_digest(password)}"


def _prefix(root: Path) -> str:
    return f"retailflow-{_digest(str(root))}-"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def command(root: Path, port: int, password: str) -> tuple[str, ...]:
    settings = (part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}"))
    place = folder(root, password)
    return _as_account(str(_programs(place) / "postgres"), "-D", str(place), "-p", str(port), *settings)


def prepare(root: Path, password: str) -> None:
    """Create the cluster, once. Raises: WorkspaceError if PostgreSQL is missing or fails."""
    place = folder(root, password)
    if (place / "PG_VERSION").exists():
        return
    shutil.rmtree(place, ignore_errors=True)  # from a first start that was killed
    for old in place.parent.glob(f"{_prefix(root)}*"):  # from a deleted workspace
        shutil.rmtree(old, ignore_errors=True)
    secret = place.with_suffix(".password")
    write_private(secret, password)
    if not os.geteuid():
        shutil.chown(secret, _ACCOUNT)
    options = ("-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8")
    program = _as_account(str(_programs(place) / "initdb"), "-D", str(place), *options)
    made = subprocess.run(program, capture_output=True, text=True, check=False)
    secret.unlink()
    if made.returncode:
        raise WorkspaceError(f"PostgreSQL's cluster could not be made in {place}: {made.stderr.strip()}")


def answers(port: int, password: str) -> bool:
    import psycopg2

    try:
        _connection(port, password).close()
    except psycopg2.OperationalError:
        return False
    return True


def create_database(port: int, password: str, name: str, like: str = "template1") -> None:
    """Create a database as a copy of another, unless it exists. The other one must have no connections."""
    with closing(_connection(port, password)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if not cursor.fetchone():
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')


def _connection(port: int, password: str):
    import psycopg2

    return psycopg2.connect(host=HOST, port=port, user=USER, password=password, dbname="postgres", connect_timeout=5)


def server(version: str = "*") -> Path | None:
    """Return the newest installed server, or that version; None if there is none. On Debian it is not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"{version}/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    return found[-1] if found else Path(on_path) if on_path else None


def _programs(cluster: Path) -> Path:
    """Return the folder of the programs. Prefer the version that created the cluster, because others refuse it."""
    made_by = cluster / "PG_VERSION"
    version = made_by.read_text().strip() if made_by.exists() else "*"
    if (found := server(version) or server()) is None:
        raise WorkspaceError("PostgreSQL is not installed. Install it (Debian, Ubuntu: apt install postgresql).")
    return found.parent


def _as_account(*arguments: str) -> Sequence[str]:
    if os.geteuid():
        return arguments
    return (
        "setpriv",
        f"--reuid={_ACCOUNT}",
        f"--regid={_ACCOUNT}",
        "--init-groups",
        "env",
        "-C",
        str(_home()),
        *arguments,
    )


def _home() -> Path:
    try:
        return Path(pwd.getpwnam(_ACCOUNT).pw_dir)
    except KeyError:
        raise WorkspaceError(
            f"PostgreSQL does not run as root, and there is no account {_ACCOUNT} to run it as. Install PostgreSQL"
            " (Debian, Ubuntu: apt install postgresql), or run this as another user."
        ) from None
