"""Releases of the jobs. They are built from the checkout and deployed to the local workspace as to any other."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from retailflow.release import BASE, VARIABLE, Release, of_commit
from retailflow_local.commands import REPOSITORY
from retailflow_local.downloads import find_uv
from retailflow_local.errors import WorkspaceError
from retailflow_local.state import release_file, workspace_files

_SOURCES = ("include/retailflow", "spark_jobs", "pyproject.toml", "uv.lock", "README.md")


def version_of_checkout() -> str:
    """Return `0.1.0+g<commit>`, with a digest of the sources if they differ from the commit or there is no Git."""
    commit = _git("rev-parse", "HEAD")
    if commit and _git("status", "--porcelain", "--", *_SOURCES) == "":
        return of_commit(commit)
    digest = hashlib.sha256()
    for path in _files():
        digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes() + b"\0")
    return f"{f'{of_commit(commit)}.' if commit else f'{BASE}+'}d{digest.hexdigest()[:12]}"


def build(folder: Path, release: Release | None = None) -> Release:
    """Build a release of the checkout in a new folder below `folder`, named by its version, unless it exists.

    The same commit gives the same bytes. Raises: WorkspaceError if a program fails; no files are left then.
    """
    release = release or Release(version_of_checkout())
    place = folder / release.version
    if place.exists():
        return release
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fresh-", dir=folder) as name:
        fresh = Path(name) / release.version
        shutil.copytree(REPOSITORY / "spark_jobs", fresh / "spark_jobs", ignore=_no_script)
        wheel = _wheel(release, fresh)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        locked = _run("export", "--frozen", "--no-header", "--no-emit-project", "--no-default-groups")
        (fresh / "requirements.txt").write_text(f"{release.wheel} --hash=sha256:{digest}\n{locked}")
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        _place(fresh, place)
    return release


def deploy(root: Path, version: str | None = None) -> Release:
    """Make new DAG runs use the checkout's release, which is built if it is missing, or another existing release.

    Raises: WorkspaceError if the release cannot be built or does not exist.
    """
    folder = workspace_files(root) / "releases"
    release = Release(version) if version else build(folder)
    there = sorted(path.name for path in folder.glob("[0-9]*"))
    if release.version not in there:
        raise WorkspaceError(f"There is no release {version} in this workspace; there is {', '.join(there) or 'none'}.")
    fresh = release_file(root).with_suffix(".fresh")
    fresh.write_text(f"{release.version}\n")
    fresh.replace(release_file(root))
    return release


def pack(folder: Path) -> Release:
    """Create a folder with all that a deployment needs: the release, and the bundle with the files that it names."""
    if folder.exists():
        raise WorkspaceError(f"{folder} is there already. Remove it, or name another folder.")
    release = build(folder / "releases")
    for name in ("resources", "include/bi/databricks"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "databricks.yml", folder)
    return release


def _no_script(folder: str, names: list[str]) -> list[str]:
    """Return the names in spark_jobs to leave out, all but the scripts: the package is in the wheel."""
    return [name for name in names if name in ("retailflow_spark", "__pycache__")]


def _wheel(release: Release, folder: Path) -> Path:
    commit_time = _git("log", "-1", "--format=%ct") or "315532800"  # the first moment that a ZIP file can store
    _run("build", "--wheel", "--out-dir", str(folder), SOURCE_DATE_EPOCH=commit_time, **{VARIABLE: release.version})
    (folder / ".gitignore").unlink(missing_ok=True)
    return folder / Path(release.wheel).name


def _place(fresh: Path, place: Path) -> None:
    try:
        fresh.rename(place)
    except OSError:
        if not place.exists():  # else another build of the same release was faster
            raise


def _files() -> Iterator[Path]:
    for name in _SOURCES:
        path = REPOSITORY / name
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


def _run(*arguments: str, **settings: str) -> str:
    """Return the output of a uv command on the checkout. It uses only uv's cache if that has everything."""
    uv = find_uv()
    if not uv:
        raise WorkspaceError("There is no uv: start by ./retailflow, which installs it.")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | settings
    for offline in (["--offline"], []):
        command = [uv, *arguments, "--quiet", *offline]
        result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return result.stdout
    last = (result.stderr.strip() or "no reason given").splitlines()[-1]
    raise WorkspaceError(f"The release could not be built: {last}")


def _git(*arguments: str) -> str | None:
    """Return Git's output without the last line end; None if there is no Git or the checkout is no repository."""
    if not (REPOSITORY / ".git").exists():
        return None
    command = ["git", "-C", str(REPOSITORY), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")
    except (OSError, subprocess.CalledProcessError):
        return None
