"""Find what is missing or broken on this machine, and the fix. This changes nothing."""

import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import psutil

from retailflow_local.bootstrap import stamp
from retailflow_local.downloads import azurite_script, find_uv, is_whole, jars_folder, locked_jars
from retailflow_local.errors import WorkspaceError
from retailflow_local.processes import is_free
from retailflow_local.state import PREFERRED_PORTS, read_state
from retailflow_local.toolchain import Tool, java, missing_groups, node
from retailflow_local.workspace import REPOSITORY, TITLES, Workspace

DISK_NEEDED_GIB = 3
MEMORY_NEEDED_GIB = 4
_GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One finding. The next start installs what is `missing`; what is `broken` needs the fix."""

    name: str
    verdict: Literal["ok", "missing", "broken"]
    finding: str
    fix: str = ""


def diagnose(workspace: Workspace) -> Iterator[Check]:
    yield Check("Python", "ok", platform.python_version())
    yield _uv()
    yield _lock()
    yield _environment()
    yield _tool("Java", java)
    yield _tool("Node", node)
    yield _jars()
    yield _azurite()
    yield _disk(workspace)
    yield _memory()
    yield _ports(workspace)
    yield _services(workspace)


def _uv() -> Check:
    found = find_uv()
    return Check("uv", "ok", found) if found else Check("uv", "missing", "none found", "The launcher installs it.")


def _lock() -> Check:
    uv = find_uv()
    if not uv:
        return Check("uv.lock", "missing", "not checked, since there is no uv")
    command = [uv, "lock", "--check", "--offline", "--project", str(REPOSITORY)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return Check("uv.lock", "ok", "fits pyproject.toml")
    return Check("uv.lock", "broken", "does not fit pyproject.toml", "Run uv lock, and commit uv.lock.")


def _environment() -> Check:
    """Check .venv. The launcher keeps it current, so it is broken only if somebody bypasses the launcher."""
    file = REPOSITORY / ".venv" / ".retailflow"
    wanted = stamp(REPOSITORY, missing_groups(), platform.python_version())
    if file.exists() and file.read_text().strip() == wanted:
        return Check("Environment", "ok", "fits uv.lock")
    return Check("Environment", "broken", ".venv does not fit uv.lock", "Start by ./retailflow, which prepares it.")


def _tool(name: str, find: Callable[[], Tool]) -> Check:
    try:
        tool = find()
    except WorkspaceError as error:
        return Check(name, "missing", "none that fits", str(error))
    return Check(name, "ok", f"{tool.version}, {'bundled' if tool.bundled else tool.path}")


def _jars() -> Check:
    folder, jars = jars_folder(), locked_jars()
    damaged = [jar.name for jar in jars if (folder / jar.name).exists() and not is_whole(folder / jar.name, jar)]
    if damaged:
        return Check("Spark's jars", "broken", f"damaged: {', '.join(damaged)}", "./retailflow up fetches them again.")
    missing = sum(not (folder / jar.name).exists() for jar in jars)
    if missing:
        return Check("Spark's jars", "missing", f"{missing} of {len(jars)}", "./retailflow up fetches them.")
    return Check("Spark's jars", "ok", str(folder))


def _azurite() -> Check:
    try:
        script = azurite_script(node())
    except WorkspaceError:
        return Check("Azurite", "missing", "not checked, since there is no Node")
    if script.is_file():
        return Check("Azurite", "ok", str(script))
    return Check("Azurite", "missing", "not installed", "./retailflow up installs it.")


def _disk(workspace: Workspace) -> Check:
    place = next(path for path in (workspace.root, *workspace.root.parents) if path.exists())
    free = shutil.disk_usage(place).free / _GIB
    finding = f"{free:.1f} GiB free at {place}"
    if free >= DISK_NEEDED_GIB:
        return Check("Disk", "ok", finding)
    return Check("Disk", "broken", finding, f"Free {DISK_NEEDED_GIB} GiB, or delete .local after ./retailflow down.")


def _memory() -> Check:
    memory = psutil.virtual_memory()
    finding = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB available"
    if memory.total / _GIB >= MEMORY_NEEDED_GIB:
        return Check("Memory", "ok", finding)
    return Check("Memory", "broken", finding, f"The workspace needs {MEMORY_NEEDED_GIB} GiB.")


def _ports(workspace: Workspace) -> Check:
    if any(workspace.processes.find(name) for name in workspace.names):
        ports = read_state(workspace.root).ports
        return Check("Ports", "ok", ", ".join(f"{name} {port}" for name, port in ports.items()))
    taken = [f"{port} ({name})" for name, port in PREFERRED_PORTS.items() if not is_free(port)]
    if taken:
        return Check("Ports", "ok", f"in use by others: {', '.join(taken)}; free ones will be taken instead")
    return Check("Ports", "ok", "all free")


def _services(workspace: Workspace) -> Check:
    alive = [name for name in workspace.names if workspace.processes.find(name)]
    if not alive:
        return Check("Services", "ok", "stopped", "./retailflow up starts them.")
    sick = [TITLES[name] for name in workspace.names if not workspace.processes.is_healthy(workspace.health(name))]
    if sick:
        finding = f"not healthy: {', '.join(sick)}"
        return Check(
            "Services", "broken", finding, f"./retailflow up starts what ended; logs in {workspace.root}/logs."
        )
    return Check("Services", "ok", "all healthy")
