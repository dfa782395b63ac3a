"""A release: one folder of the workspace with the jobs' wheel, their scripts and their locked requirements.

Its version names the commit. A release never changes, so deploying, promoting and rolling back are the same step:
upload the folder, and write its version to the file that RETAILFLOW_RELEASE_FILE names. New DAG runs follow that file.

The build of the wheel reads `version()` from this file, so the file imports only the standard library.
"""

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

BASE = "0.1.0"
FOLDER = "/Workspace/retailflow/releases"
PATTERN = r"\d+\.\d+\.\d+(\+[a-z0-9.]+)?"
VARIABLE = "RETAILFLOW_RELEASE"
FILE_VARIABLE = "RETAILFLOW_RELEASE_FILE"


def of_commit(commit: str) -> str:
    """Return the version that names a commit, given its hexadecimal digits."""
    return f"{BASE}+g{commit[:12]}"


class ReleaseError(RuntimeError):
    """No release is named, or the code belongs to another release. The message says what to do."""


@dataclass(frozen=True)
class Release:
    """One release, with the paths of its files in the workspace."""

    version: str

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.version}"

    @property
    def requirements(self) -> str:
        """The file that lists the wheel and all its dependencies, each with its hash."""
        return f"{self.folder}/requirements.txt"

    @property
    def wheel(self) -> str:
        return f"{self.folder}/retailflow-{self.version}-py3-none-any.whl"

    def script(self, name: str) -> str:
        """Return the path of an entry script."""
        return f"{self.folder}/spark_jobs/{name}.py"


def version() -> str:
    """Return the version of the wheel that is being built."""
    return os.environ.get(VARIABLE, BASE)


def newest() -> str:
    """Return the version of the release that new DAG runs use. Raises: ReleaseError where none is named."""
    path = os.environ.get(FILE_VARIABLE)
    try:
        return Path(path or "").read_text().strip()
    except OSError:
        raise ReleaseError(
            f"{FILE_VARIABLE} {f'names {path}, which cannot be read' if path else 'is not set'}. It names the file "
            "with the version of the jobs' release: the Airflow image has one, ./retailflow up writes a laptop's."
        ) from None


def chosen() -> Release:
    """Return the release of this process: the release of its DAG run, else the newest."""
    return Release(os.environ.get(VARIABLE) or newest())


def installed() -> str:
    """Return the version of the release that the running code comes from; `BASE` in a checkout."""
    try:
        return metadata.version("retailflow")
    except metadata.PackageNotFoundError:  # a checkout on the path that is not installed
        return BASE


def refuse_other(wanted: str) -> str:
    """Return `wanted`. Raises: ReleaseError where the running code comes from another release."""
    if wanted != installed():
        raise ReleaseError(
            f"this task belongs to the release {wanted}, but the code is {installed()}. Deploy {wanted} again, or "
            "clear the task with the option to run on the latest version"
        )
    return wanted


if __name__ == "__main__":  # a CI workflow needs the version of a commit before anything is installed
    print(of_commit(sys.argv[1]))
