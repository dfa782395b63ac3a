"""The launcher and what it asks: run in a copy of the checkout's outline, with a uv and a Java of our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retailflow_local.bootstrap import stamp
from retailflow_local.toolchain import installed_java, missing_groups

REPOSITORY = Path(__file__).parents[3]


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(autouse=True)
def as_on_any_machine(monkeypatch):
    monkeypatch.delenv("RETAILFLOW_BUNDLED_TOOLS", raising=False)


@pytest.fixture
def checkout(tmp_path):
    """A uv that writes its arguments to `calls` and makes a .venv whose Python says `started`."""
    root = tmp_path / "check out"
    root.mkdir()
    shutil.copy(REPOSITORY / "retailflow", root)
    package = root / "local" / "retailflow_local"
    package.mkdir(parents=True)
    for name in ("__init__", "bootstrap", "errors", "toolchain"):
        shutil.copy(REPOSITORY / "local" / "retailflow_local" / f"{name}.py", package)
    for name in ("pyproject.toml", "uv.lock"):
        (root / name).write_text("")
    executable(
        root / "bin" / "uv",
        f"""[[ $1 == --version ]] && exit 0
        printf '%s\\n' "$*" >>"{root}/calls"
        [[ -e "{root}/broken" ]] && exit 1
        mkdir -p "{root}/.venv/bin"
        printf '#!/bin/bash\\necho started "$@" $PYTHONDONTWRITEBYTECODE\\n' >"{root}/.venv/bin/python"
        chmod +x "{root}/.venv/bin/python" """,
    )
    executable(root / "bin" / "python3.11", f'exec "{sys.executable}" "$@"')
    return root


def launch(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", **variables}
    return subprocess.run(
        [root / "retailflow", "up", "now"], env=environment, capture_output=True, text=True, check=False
    )


def calls(root: Path) -> list[str]:
    return (root / "calls").read_text().splitlines()


def test_the_second_start_asks_uv_for_nothing(checkout):
    assert launch(checkout).stdout == "started -m retailflow_local.cli up now\n"
    assert launch(checkout).stdout == "started -m retailflow_local.cli up now\n"
    assert len(calls(checkout)) == 1


def test_python_keeps_its_bytecode_where_an_image_asks_for_none(checkout):
    assert launch(checkout, PYTHONDONTWRITEBYTECODE="1").stdout == "started -m retailflow_local.cli up now\n"


def test_a_changed_lock_prepares_the_environment_again(checkout):
    launch(checkout)
    (checkout / "uv.lock").write_text("changed")
    launch(checkout)
    assert len(calls(checkout)) == 2


def test_a_failed_preparation_is_said_and_tried_again(checkout):
    launch(checkout)
    (checkout / "uv.lock").write_text("changed")
    (checkout / "broken").touch()
    failed = launch(checkout)
    assert failed.returncode == 1
    assert "the environment could not be prepared" in failed.stderr
    (checkout / "uv.lock").write_text("")  # as it was when the environment was whole
    (checkout / "broken").unlink()
    assert launch(checkout).returncode == 0
    assert len(calls(checkout)) == 3


def test_a_machine_without_java_and_node_gets_them_with_the_environment(checkout):
    launch(checkout, RETAILFLOW_BUNDLED_TOOLS="1")
    assert calls(checkout)[0].endswith("--group java --group node")


def test_without_a_fitting_python_the_launcher_says_what_to_install(checkout):
    executable(checkout / "bin" / "python3.11", "exit 1")
    for name in ("python3.12", "python3.13", "python3"):
        executable(checkout / "bin" / name, "exit 1")
    answer = launch(checkout)
    assert answer.returncode == 1
    assert answer.stderr.startswith("retailflow: needs Python 3.11, 3.12 or 3.13")


def test_the_stamp_follows_lock_project_python_groups_and_place(tmp_path):
    roots = [tmp_path / name for name in ("a", "b")]
    for root in roots:
        root.mkdir()
        (root / "uv.lock").write_text("lock")
        (root / "pyproject.toml").write_text("project")
    first = stamp(roots[0], [], "3.11.7")
    assert stamp(roots[0], [], "3.11.7") == first
    others = {stamp(roots[0], ["java"], "3.11.7"), stamp(roots[0], [], "3.12.1"), stamp(roots[1], [], "3.11.7")}
    (roots[0] / "uv.lock").write_text("lock2")
    others.add(stamp(roots[0], [], "3.11.7"))
    assert len(others | {first}) == 5


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ('java version "21" 2023-09-19 LTS', "21"),
        ('openjdk version "1.8.0_402"', None),
        ('openjdk version "25.0.1" 2025-10-21', None),
    ],
)
def test_only_java_17_and_21_fit(tmp_path, monkeypatch, says, version):
    executable(tmp_path / "bin" / "java", f"echo '{says}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    found = installed_java()
    assert (found.version if found else None) == version


def test_an_old_node_or_one_without_npm_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    executable(tmp_path / "bin" / "npm", "true")
    executable(tmp_path / "bin" / "node", "echo v18.20.0")
    assert missing_groups() == ["java", "node"]
    executable(tmp_path / "bin" / "node", "echo v20.1.0")
    assert missing_groups() == ["java"]
    (tmp_path / "bin" / "npm").unlink()
    assert missing_groups() == ["java", "node"]
