"""The launcher and what it requires, run in a minimal copy of the checkout with a fake uv and a fake Java."""

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
    """A checkout whose uv writes its arguments to `calls` and makes a .venv whose Python prints `started`."""
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
        f"""[[ $1 == --version ]] && {{ echo "uv ${{UV_IS:-0.13.9}} (x86_64)"; exit 0; }}
        [[ $1 == python ]] && {{ echo "{root}/managed/python3.13"; exit 0; }}
        printf '%s\\n' "$*" >>"{root}/calls"
        [[ -e "{root}/broken" ]] && exit 1
        mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
        python="$UV_PROJECT_ENVIRONMENT/bin/python"
        printf '#!/bin/bash\\necho started "$@" $PYTHONDONTWRITEBYTECODE ${{SAY:+${{!SAY}}}}\\n' >"$python"
        chmod +x "$python" """,
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


def test_a_failed_preparation_is_reported_and_tried_again(checkout):
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


def test_a_machine_with_only_a_newer_python_gets_one_from_uv(checkout):
    for name in ("python3.11", "python3.12", "python3.13"):
        executable(checkout / "bin" / name, "exit 1")
    executable(checkout / "bin" / "python3", f'[[ $2 == *"(3, 14)"* ]] && exit 1; exec "{sys.executable}" "$@"')
    executable(checkout / "managed" / "python3.13", f'exec "{sys.executable}" "$@"')
    answer = launch(checkout)
    assert (answer.returncode, answer.stdout) == (0, "started -m retailflow_local.cli up now\n")
    assert f"--python {checkout}/managed/python3.13" in calls(checkout)[0]


def test_a_uv_that_is_too_old_is_left_alone_and_ours_is_brought(checkout, tmp_path):
    pip = f"""[[ $2 == pip && $3 == --version ]] && exit
        place=${{@: -2:1}}
        [[ $2 == pip ]] && {{ mkdir -p "$place/bin"; cp "{checkout}/bin/uv" "$place/bin"; exit; }}"""
    itself = '[[ $2 == *"print(sys.executable)"* ]] && { echo "$0"; exit; }'
    executable(checkout / "bin" / "python3.11", f'{itself}\n{pip}\nexec "{sys.executable}" "$@"')
    answer = launch(checkout, UV_IS="0.4.30", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert answer.returncode == 0, answer.stderr
    assert list((tmp_path / "cache").glob("retailflow/uv/*/bin/uv"))
    assert launch(checkout, UV_IS="0.10.2", XDG_CACHE_HOME=str(tmp_path / "other")).returncode == 0
    assert not (tmp_path / "other").exists()


def test_our_own_servers_are_never_behind_a_proxy(checkout):
    for before in (
        {"no_proxy": "internal.example"},
        {"no_proxy": "", "NO_PROXY": "internal.example"},  # the launcher of these tests has set both
    ):
        said = launch(checkout, **before, http_proxy="http://proxy.example:3128", SAY="NO_PROXY").stdout
        assert said == "started -m retailflow_local.cli up now internal.example,127.0.0.1,localhost\n"


def test_without_a_home_it_starts_all_the_same(checkout):
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    environment["PATH"] = f"{checkout / 'bin'}:{environment['PATH']}"
    answer = subprocess.run([checkout / "retailflow"], env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr.count("unbound")) == (0, 0)


def test_two_shells_with_different_tools_share_one_environment(checkout):
    launch(checkout, RETAILFLOW_BUNDLED_TOOLS="1")
    launch(checkout)
    launch(checkout, RETAILFLOW_BUNDLED_TOOLS="1")
    assert len(calls(checkout)) == 1


@pytest.mark.parametrize(
    ("tool", "says", "sentence"),
    [
        ("df", "printf 'head\\nfs 9 9 1048576 9%% /\\n'", "has 1024 MiB free; the environment needs 3072."),
        ("uname", "echo Darwin", "runs on Linux, also in WSL 2. Elsewhere use docker compose up"),
    ],
)
def test_an_unsuitable_machine_is_refused_before_anything_is_done(checkout, tool, says, sentence):
    executable(checkout / "bin" / tool, says)
    answer = launch(checkout)
    assert (answer.returncode, (checkout / "calls").exists()) == (1, False)
    assert sentence in answer.stderr


def test_a_checkout_that_cannot_be_written_keeps_its_environment_elsewhere(checkout, tmp_path):
    state = tmp_path / "mine"
    state.mkdir()
    assert launch(checkout, RETAILFLOW_HOME=str(state)).returncode == 0
    assert ((state / ".venv" / ".retailflow").exists(), (checkout / ".venv").exists()) == (True, False)
    missing = launch(checkout, RETAILFLOW_HOME=str(tmp_path / "none"))
    assert "cannot be written: set RETAILFLOW_HOME to a folder of yours" in missing.stderr


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
