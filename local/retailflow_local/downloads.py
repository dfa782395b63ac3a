"""Downloads that are kept outside the checkout: Spark's jars from Maven Central, packages from npm.

Both are pinned by digest and appear in the cache only when complete, so a killed download leaves nothing behind.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import requests

from retailflow_local.errors import WorkspaceError
from retailflow_local.toolchain import Tool

Progress = Callable[[str, str], None]
"""Called with a step and a detail of it. The same step with another detail reports progress of that step."""

MAVEN = "https://repo1.maven.org/maven2"
AZURITE = Path(__file__).parents[1] / "azurite"


@dataclass(frozen=True)
class Jar:
    coordinate: str
    sha256: str

    @property
    def name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    @property
    def url(self) -> str:
        group, artifact, version = self.coordinate.split(":")
        return f"{MAVEN}/{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retailflow"


def find_uv() -> str | None:
    """Return the machine's uv, else the one that the launcher installed."""
    own = sorted((cache() / "uv").glob("*/bin/uv"))
    return shutil.which("uv") or (str(own[-1]) if own else None)


def locked_jars() -> list[Jar]:
    """Return the jars of Delta, and of the Azure file system for the Hadoop that Spark includes."""
    return [Jar(**jar) for jar in json.loads(files("retailflow_local").joinpath("jars.lock.json").read_text())]


def jars_folder() -> Path:
    """Return the folder of the jars. Its name depends on the lock, so each version of the lock has its own jars."""
    digest = hashlib.sha256("".join(jar.sha256 for jar in locked_jars()).encode()).hexdigest()
    return cache() / "jars" / digest[:16]


def npm_folder(project: Path, node: Tool) -> Path:
    """Return the folder per lock and major version of Node: packages may contain code that was built for one Node."""
    digest = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    return cache() / project.name / f"{digest[:16]}-node{node.version.split('.')[0]}"


def azurite_script(node: Tool) -> Path:
    return npm_folder(AZURITE, node) / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def fetch_jars(progress: Progress) -> Path:
    """Fetch the missing jars of the lock, and return the folder of all.

    Raises:
        WorkspaceError: a jar cannot be fetched, or its digest differs from the lock; the jar is not kept.
    """
    folder = jars_folder()
    missing = [jar for jar in locked_jars() if not is_whole(folder / jar.name, jar)]
    with requests.Session() as session:
        for number, jar in enumerate(missing, start=1):
            progress("Spark's jars", f"{number} of {len(missing)}, {jar.name}")
            _place(folder / jar.name, _verified(jar, _download(session, jar.url)))
    return folder


def is_whole(path: Path, jar: Jar) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def _download(session: requests.Session, url: str) -> bytes:
    try:
        answer = session.get(url, timeout=120)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise WorkspaceError(
            f"Could not fetch {url}: {error}. Check the network (and HTTPS_PROXY, if you need one) and run this again."
        ) from error
    return answer.content


def _verified(jar: Jar, content: bytes) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != jar.sha256:
        raise WorkspaceError(
            f"{jar.url} has SHA-256 {found}, but jars.lock.json says {jar.sha256}. It was not kept: "
            "something between you and Maven Central changes what you download."
        )
    return content


def _place(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def fetch_azurite(node: Tool, progress: Progress) -> Path:
    """Return the script that starts Azurite's Blob service, and install Azurite if it is missing."""
    if not azurite_script(node).is_file():
        progress("Azurite", "npm ci")
        fetch_packages(AZURITE, node)
    return azurite_script(node)


def fetch_packages(project: Path, node: Tool) -> None:
    """Install the packages of the project's lock with `npm ci`. Raises: WorkspaceError."""
    with fresh_folder(npm_folder(project, node)) as fresh:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(project / name, fresh)
        command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        path = f"{node.path.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        result = subprocess.run(
            command, cwd=fresh, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        if result.returncode:
            last = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
            raise WorkspaceError(f"npm could not install {project.name}. Check the network, run this again.\n{last}")


@contextmanager
def fresh_folder(final: Path) -> Iterator[Path]:
    """Yield a temporary folder. It gets its final name if the block succeeds, and is removed if it fails."""
    final.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=final.parent, prefix="."))
    try:
        yield fresh
        try:
            fresh.rename(final)
        except OSError:
            if not final.is_dir():  # another start may have been faster; use its copy
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
