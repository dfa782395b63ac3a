"""Terraform, checkov and tflint: the machine's own where they fit, else brought once, pinned, and kept in the cache."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from retailflow_local.checks import Skipped
from retailflow_local.doctor import find_uv
from retailflow_local.downloads import cache, fresh_folder
from retailflow_local.toolchain import BUNDLED_ONLY

TERRAFORM_MIN = (1, 11)
TFLINT = "0.64.0"
PROJECT = Path(__file__).parents[2] / "checks"


def terraform() -> tuple[str, ...]:
    """The command line of Terraform. Raises: Skipped."""
    path = _installed("terraform")
    if path and _terraform_version(path) >= TERRAFORM_MIN:
        return (path,)
    return (str(_environment("terraform") / "bin" / "python"), str(PROJECT / "terraform.py"))


def checkov() -> tuple[str, ...]:
    """Raises: Skipped."""
    scripts = _environment("checkov") / "bin"
    return (str(scripts / "python"), str(scripts / "checkov"))


def tflint() -> tuple[str, ...]:
    """Built by the machine's Go, whose checksum database vouches for the source. Raises: Skipped."""
    folder = cache() / "tflint" / TFLINT
    if not (folder / "tflint").is_file():
        go = shutil.which("go")
        if not go:
            raise Skipped(f"tflint {TFLINT} is not there, and no Go to build it: install Go, and run this again.")
        with fresh_folder(folder) as fresh:
            module = f"github.com/terraform-linters/tflint@v{TFLINT}"
            _bring("tflint", [go, "install", module], {"GOBIN": str(fresh)})
    return (str(folder / "tflint"),)


def _installed(name: str) -> str | None:
    return None if os.environ.get(BUNDLED_ONLY) == "1" else shutil.which(name)


def _terraform_version(path: str) -> tuple[int, ...]:
    answer = subprocess.run([path, "version", "-json"], capture_output=True, text=True, check=False)
    try:
        return tuple(map(int, json.loads(answer.stdout)["terraform_version"].split(".")[:2]))
    except (ValueError, KeyError):  # one of before 0.13, or no Terraform at all
        return (0, 0)


def _environment(group: str) -> Path:
    """The virtual environment of one group of local/checks, made where it is missing. Raises: Skipped."""
    lock = (PROJECT / "uv.lock").read_bytes() + platform.python_version().encode()
    folder = cache() / "checks" / f"{group}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / ".whole").exists():
        uv = find_uv()
        if not uv:
            raise Skipped("There is no uv: start by ./retailflow, which brings it.")
        command = [uv, "sync", "--frozen", "--only-group", group, "--project", str(PROJECT), "--python", sys.executable]
        _bring(group, command, {"UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"})
        (folder / ".whole").touch()
    return folder


def _bring(name: str, command: list[str], settings: dict[str, str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | settings
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip() or "no reason given").splitlines()[-1]
        raise Skipped(f"{name} could not be brought: {last} Check the network, and run this again.")
