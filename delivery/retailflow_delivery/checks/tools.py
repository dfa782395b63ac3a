"""The tools of the checks: the machine's own if suitable, else a pinned version, fetched once and kept in the cache."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from retailflow_delivery.checks import Skipped
from retailflow_local.downloads import cache, fetch_packages, fresh_folder, npm_folder
from retailflow_local.errors import WorkspaceError
from retailflow_local.toolchain import BUNDLED_ONLY, node
from retailflow_local.virtual_environments import bring, virtual_environment

TERRAFORM_MIN = (1, 11)
ACTIONLINT = "1.7.12"
COMPOSE_GO = "2.10.0"
TFLINT = "0.64.0"
PROJECT = Path(__file__).parents[2] / "checks"
DIAGRAMS = PROJECT.with_name("diagrams")


def terraform() -> tuple[str, ...]:
    """Return the command line of Terraform. Raises: Skipped."""
    path = _installed("terraform")
    if path and _terraform_version(path) >= TERRAFORM_MIN:
        return (path,)
    return (str(_environment("terraform") / "bin" / "python"), str(PROJECT / "terraform.py"))


def checkov() -> tuple[str, ...]:
    """Return the command line of checkov. Raises: Skipped."""
    scripts = _environment("checkov") / "bin"
    return (str(scripts / "python"), str(scripts / "checkov"))


def tflint() -> tuple[str, ...]:
    """Return the command line of tflint. Raises: Skipped."""
    return _built("tflint", TFLINT, "github.com/terraform-linters/tflint")


def actionlint() -> tuple[str, ...]:
    """Return the command line of actionlint. Raises: Skipped."""
    return _built("actionlint", ACTIONLINT, "github.com/rhysd/actionlint/cmd/actionlint")


def compose() -> tuple[str, ...]:
    """Return the command line of compose-go, Docker's own parser of docker-compose.yaml. Raises: Skipped."""
    return _built("compose-go", COMPOSE_GO, "github.com/compose-spec/compose-go/v2/cmd")


def mypy() -> tuple[str, ...]:
    """Return the command line of mypy. Raises: Skipped."""
    return (str(_environment("types") / "bin" / "mypy"),)


def zizmor() -> tuple[str, ...]:
    """Return the command line of zizmor. Raises: Skipped."""
    return (str(_environment("zizmor") / "bin" / "zizmor"),)


def hadolint() -> tuple[str, ...]:
    """Return the command line of hadolint. Raises: Skipped."""
    return (str(_environment("hadolint") / "bin" / "hadolint"),)


def mermaid() -> Path:
    """Return the path of Mermaid, one script for a browser. Raises: Skipped."""
    try:
        tool = node()
        script = npm_folder(DIAGRAMS, tool) / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
        if not script.is_file():
            fetch_packages(DIAGRAMS, tool)
    except WorkspaceError as error:
        raise Skipped(str(error)) from error
    return script


def chromium() -> str:
    """Return the path of Chromium. Raises: Skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise Skipped("There is no Chromium: install the distribution's, and run this again.")


def bundles() -> tuple[str, ...]:
    """Return the command line that prints the errors of a bundle. Append its folder. Raises: Skipped."""
    return (str(_environment("bundle") / "bin" / "python"), str(PROJECT / "bundle.py"))


def _built(name: str, version: str, module: str) -> tuple[str, ...]:
    """Build a tool with the machine's Go, which verifies the source by its checksum database. Raises: Skipped."""
    folder, program = cache() / name / version, module.rpartition("/")[2]
    if not (folder / program).is_file():
        go = shutil.which("go")
        if not go:
            raise Skipped(f"{name} {version} is not there, and no Go to build it: install Go, and run this again.")
        try:
            with fresh_folder(folder) as fresh:
                bring(name, [go, "install", f"{module}@v{version}"], {"GOBIN": str(fresh)})
        except WorkspaceError as error:
            raise Skipped(str(error)) from error
    return (str(folder / program),)


def _installed(name: str) -> str | None:
    return None if os.environ.get(BUNDLED_ONLY) == "1" else shutil.which(name)


def _terraform_version(path: str) -> tuple[int, ...]:
    answer = subprocess.run([path, "version", "-json"], capture_output=True, text=True, check=False)
    try:
        return tuple(map(int, json.loads(answer.stdout)["terraform_version"].split(".")[:2]))
    except (ValueError, KeyError):  # older than 0.13, or not Terraform
        return (0, 0)


def _environment(group: str) -> Path:
    """Return the virtual environment of one group of delivery/checks. Raises: Skipped."""
    try:
        return virtual_environment(PROJECT, group)
    except WorkspaceError as error:
        raise Skipped(str(error)) from error
