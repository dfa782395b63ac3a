"""Programs that conflict with Airflow's packages, each in a virtual environment of its own, created if missing."""

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from retailflow_local.downloads import cache, find_uv
from retailflow_local.errors import WorkspaceError


def virtual_environment(project: Path, group: str) -> Path:
    """Return the environment of one dependency group of a project with a uv.lock, cached until the lock changes.

    Raises:
        WorkspaceError: it cannot be created.
    """
    lock = (project / "uv.lock").read_bytes() + platform.python_version().encode()
    folder = cache() / project.name / f"{group}-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{group}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several tasks may need it at once
        if not (folder / ".whole").exists():
            uv = find_uv()
            if not uv:
                raise WorkspaceError("There is no uv: start by ./retailflow, which installs it.")
            command = [uv, "sync", "--frozen", "--group", group, "--project", str(project), "--python", sys.executable]
            bring(group, command, {"UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"})
            (folder / ".whole").touch()
    return folder


def bring(name: str, command: list[str], settings: dict[str, str]) -> None:
    """Run a command that installs a program. Raises: WorkspaceError with the last line of its output."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | settings
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip() or "no reason given").splitlines()[-1]
        raise WorkspaceError(f"{name} could not be installed: {last} Check the network, and run this again.")
