"""Environments of tasks: their dependencies, installed once and cached by the text of the dependencies.

Databricks caches them in the same way, so it never sees other bytes under the same text.
"""

import hashlib
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from retailflow_local.jobs_api.submission import resolve_file


class NotInstalled(Exception):
    """A dependency cannot be installed; the message says which one and why."""


class Environments:
    """The environments of the workspace: `folder` contains them; the workspace's paths name files in `files`."""

    def __init__(self, folder: Path, files: Path) -> None:
        self._folder, self._files = folder, files

    def of(self, submission: dict[str, Any], task: dict[str, Any]) -> Path | None:
        """Return the folder that a task imports from, and create it if it is missing; None without dependencies.

        A ZIP file beside it has the same content. Raises: NotInstalled.
        """
        dependencies = _dependencies(submission, task)
        if not dependencies:
            return None
        place = self._folder / hashlib.sha256("\n".join(dependencies).encode()).hexdigest()[:16]
        if not place.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".fresh-", dir=self._folder))
            try:
                for line in dependencies:
                    self._install(line, fresh)
                archive = shutil.make_archive(str(fresh), "zip", fresh)  # for the workers of Spark sessions
                Path(archive).replace(f"{place}.zip")
                fresh.rename(place)
            except OSError as error:
                if not place.exists():  # else another task was faster
                    raise NotInstalled(f"The environment cannot be made: {error}") from error
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return place

    def _install(self, line: str, folder: Path) -> None:
        if line.startswith("-r "):
            for inner in _lines(self._read(line.removeprefix("-r ").strip()).decode()):
                self._install(inner, folder)
            return
        what, *options = shlex.split(line)
        hashes = {option.removeprefix("--hash=sha256:") for option in options if option.startswith("--hash=")}
        if not what.endswith(".whl"):
            return _see_that_it_is_installed(line.partition(" --hash=")[0])
        content = self._read(what)
        if hashes and hashlib.sha256(content).hexdigest() not in hashes:
            raise NotInstalled(f"{what} is not the file that the requirements name: its SHA-256 is another one.")
        with tempfile.TemporaryFile() as file:
            file.write(content)
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(folder)

    def _read(self, path: str) -> bytes:
        try:
            return resolve_file(path, self._files).read_bytes()
        except OSError:
            raise NotInstalled(f"{path} cannot be read: the workspace does not contain this file.") from None


def _dependencies(submission: dict[str, Any], task: dict[str, Any]) -> Sequence[str]:
    for environment in submission.get("environments") or ():
        if environment["environment_key"] == task.get("environment_key"):
            return environment["spec"].get("dependencies") or ()
    return [f"-r {library['requirements']}" for library in task.get("libraries") or () if "requirements" in library]


def _lines(text: str) -> Iterator[str]:
    """Yield the requirements of a file, each on one line, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _see_that_it_is_installed(requirement: str) -> None:
    """Look a requirement up in this machine's own environment, which has the same lock, instead of an index."""
    wanted = Requirement(requirement)
    if wanted.marker and not wanted.marker.evaluate():
        return
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        raise NotInstalled(f"{wanted.name} is not installed on this machine.") from None
    if not wanted.specifier.contains(found, prereleases=True):
        raise NotInstalled(f"{wanted.name}{wanted.specifier} is not installed on this machine, but {found}.")
