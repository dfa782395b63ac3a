"""Releases of the jobs: named by their commit, reproducible, never changed, chosen by a file."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from retailflow.release import Release, ReleaseError, installed, newest, of_commit, refuse_other
from retailflow_local import releases
from retailflow_local.errors import WorkspaceError
from retailflow_local.workspace import REPOSITORY

PARTS = ("include", "spark_jobs", "resources")
FILES = ("pyproject.toml", "uv.lock", "databricks.yml", "README.md", "LICENSE", ".gitignore")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@retailflow.example"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository with one commit and the files that make up a release."""
    root = tmp_path / "checkout"
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "dbt"))
    for name in FILES:
        shutil.copy(REPOSITORY / name, root / name)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "All")
    monkeypatch.setattr(releases, "REPOSITORY", root)
    return root


def edit(checkout: Path) -> None:
    path = checkout / "include" / "retailflow" / "raw.py"
    path.write_text(path.read_text() + "\n# Another byte.\n")


def test_the_version_names_the_commit_and_an_edit_after_it(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    assert releases.version_of_checkout() == of_commit(commit) == f"0.1.0+g{commit[:12]}"
    edit(checkout)
    first = releases.version_of_checkout()
    assert first.startswith(f"0.1.0+g{commit[:12]}.d")
    edit(checkout)
    assert releases.version_of_checkout() != first


def test_without_git_the_sources_name_the_version(checkout):
    shutil.rmtree(checkout / ".git")
    first = releases.version_of_checkout()
    edit(checkout)
    assert releases.version_of_checkout() != first
    assert first.startswith("0.1.0+d")


def test_the_same_commit_gives_the_same_bytes(checkout, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    release = releases.build(one)
    assert releases.build(other) == release
    files = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file()]
    assert len(files) > 10
    assert [(one / path).read_bytes() for path in files] == [(other / path).read_bytes() for path in files]


def test_a_release_is_whole_and_its_wheel_knows_its_version(checkout, tmp_path):
    release = releases.build(tmp_path / "releases")
    folder = tmp_path / "releases" / release.version
    scripts = {path.name for path in (REPOSITORY / "spark_jobs").glob("*.py")}
    assert {path.name for path in (folder / "spark_jobs").glob("*.py")} == scripts
    with zipfile.ZipFile(folder / Path(release.wheel).name) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"retailflow-{release.version}.dist-info/METADATA").decode()
    assert f"\nVersion: {release.version}\n" in metadata
    assert {"retailflow/contracts/orders.odcs.yaml", "retailflow_spark/delta/writer.py"} <= names


def test_every_requirement_is_pinned_with_its_hash(checkout, tmp_path):
    """pip then installs these bytes and no other, whatever an index offers."""
    release = releases.build(tmp_path / "releases")
    text = (tmp_path / "releases" / release.version / "requirements.txt").read_text().replace("\\\n", " ")
    wheel, *lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert wheel.startswith(f"{release.wheel} --hash=sha256:")
    assert all(" --hash=sha256:" in line for line in lines)
    pinned = {Requirement(line.partition(" --hash")[0]).name for line in lines}
    assert {"azure-identity", "azure-storage-blob", "databricks-sdk", "msgspec", "pydantic", "requests"} <= pinned


def test_an_existing_release_is_never_touched(checkout, tmp_path):
    release = releases.build(tmp_path / "releases")
    marked = tmp_path / "releases" / release.version / "spark_jobs" / "bronze.py"
    marked.write_text("as it was deployed")
    releases.build(tmp_path / "releases")
    assert marked.read_text() == "as it was deployed"


def test_a_build_that_fails_leaves_nothing(checkout, tmp_path):
    (checkout / "pyproject.toml").write_text("[project\n")
    with pytest.raises(WorkspaceError, match="The release could not be built: "):
        releases.build(tmp_path / "releases")
    assert list((tmp_path / "releases").iterdir()) == []


def test_rolling_back_is_deploying_an_older_release(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("RETAILFLOW_RELEASE_FILE", str(tmp_path / "release"))
    first = releases.deploy(tmp_path)
    edit(checkout)
    second = releases.deploy(tmp_path)
    assert newest() == second.version != first.version
    releases.deploy(tmp_path, first.version)
    assert newest() == first.version
    with pytest.raises(WorkspaceError, match=rf"no release 9\.9\.9 .* {re.escape(first.version)}"):
        releases.deploy(tmp_path, "9.9.9")
    for folder in (".", "..", f"{first.version}/spark_jobs"):
        with pytest.raises(WorkspaceError, match="There is no release "):
            releases.deploy(tmp_path, folder)
    assert newest() == first.version


def test_a_job_refuses_to_run_for_another_release():
    assert refuse_other(installed()) == installed()
    with pytest.raises(ReleaseError, match=r"belongs to the release 9\.9\.9\+g0, but the code is "):
        refuse_other("9.9.9+g0")


def test_a_missing_release_is_reported_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.delenv("RETAILFLOW_RELEASE_FILE", raising=False)
    with pytest.raises(ReleaseError, match="RETAILFLOW_RELEASE_FILE is not set"):
        newest()
    monkeypatch.setenv("RETAILFLOW_RELEASE_FILE", str(tmp_path / "none"))
    with pytest.raises(ReleaseError, match="cannot be read"):
        newest()


def test_a_pack_has_every_file_that_the_bundle_names(checkout, tmp_path):
    """The pack lies in an empty folder, as in a deployment."""
    release = releases.pack(tmp_path / "jobs")
    documents = [yaml.safe_load(path.read_text()) for path in (tmp_path / "jobs" / "resources").glob("*.yml")]
    named = {Release("${var.release}").requirements} | set(_paths(documents))
    assert len(named) > 10
    for path in named:
        path = path.replace("${var.release}", release.version)
        below = path.removeprefix("/Workspace/retailflow/") if path.startswith("/") else f"resources/{path}"
        assert (tmp_path / "jobs" / below).is_file(), path


def _paths(value):
    """Yield the files that the resources name."""
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("python_file", "file_path", "path") and isinstance(item, str):
                yield item
            elif key == "dependencies":
                yield from (text.removeprefix("-r ") for text in item)
            else:
                yield from _paths(item)
