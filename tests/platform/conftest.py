"""A copy of the files that `./retailflow check` reads, to plant mistakes in."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from retailflow_delivery.checks import Result, results
from retailflow_delivery.checks.terraform import MIRROR, Platform
from retailflow_local.workspace import REPOSITORY

PACKAGES = ("include", "spark_jobs", "plugins", "local", "delivery")
PARTS = (*PACKAGES, "terraform", "docs", "resources", ".github")
FILES = ("databricks.yml", "Dockerfile", "docker-compose.yaml")


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    mirror = Path(os.environ.get(MIRROR) or REPOSITORY.parent / "shared" / "terraform-mirror")
    monkeypatch.setenv(MIRROR, str(mirror.absolute()))
    root = tmp_path / "checkout"
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns(".terraform*", "__pycache__"))
    for name in FILES:
        shutil.copy(REPOSITORY / name, root / name)
    return root


@pytest.fixture
def plant(checkout) -> Callable[[str, str, str], None]:
    """`plant(file, right, wrong)`: replaces a text of a file in the checkout by a mistake."""

    def planted(file: str, right: str, wrong: str) -> None:
        text = (checkout / file).read_text()
        assert right in text, f"{file} has no {right!r}: the mistake would not be planted"
        (checkout / file).write_text(text.replace(right, wrong))

    return planted


@pytest.fixture
def without_module_tests(checkout) -> None:
    """Keep only the tests of the root module: they are enough, in a third of the time."""
    for file in (checkout / "terraform" / "tests").glob("*.tftest.hcl"):
        if file.name != "root.tftest.hcl":
            file.unlink()


@pytest.fixture
def verdicts(checkout, tmp_path) -> Callable[..., dict[str, Result]]:
    """`verdicts(*names)`: runs these checks. Without providers the test is skipped with the reason."""

    def made(*names: str) -> dict[str, Result]:
        checks = Platform(checkout, tmp_path / "scratch").checks()
        found = {result.name: result for result in results(c for c in checks if not names or c.name in names)}
        if skipped := [r.said for r in found.values() if r.verdict == "SKIPPED" and r.name.startswith("terraform")]:
            pytest.skip(skipped[0])
        return found

    return made
