import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest

from retailflow_local import downloads
from retailflow_local.downloads import Jar
from retailflow_local.errors import WorkspaceError
from retailflow_local.toolchain import Tool

CONTENT = b"a jar"
JAR = Jar("org.example:tool_2.13:1.2.3", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def central(monkeypatch, tmp_path):
    """Maven Central with one jar; `asked` has the addresses that were fetched."""
    answers, asked = {JAR.url: CONTENT}, []

    def download(session, url):
        asked.append(url)
        return answers[url]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "locked_jars", lambda: [JAR])
    monkeypatch.setattr(downloads, "_download", download)
    return answers, asked


def silent(step, detail):
    pass


def test_a_coordinate_names_the_file_and_its_place():
    assert JAR.name == "tool_2.13-1.2.3.jar"
    assert JAR.url.endswith("/org/example/tool_2.13/1.2.3/tool_2.13-1.2.3.jar")


def test_a_jar_is_fetched_once_and_then_found_without_the_network(central):
    _, asked = central
    folder = downloads.fetch_jars(silent)
    downloads.fetch_jars(silent)
    assert (folder / JAR.name).read_bytes() == CONTENT
    assert asked == [JAR.url]


def test_a_jar_with_another_digest_is_refused_and_not_left_behind(central, tmp_path):
    answers, _ = central
    answers[JAR.url] = b"another jar"
    with pytest.raises(WorkspaceError, match=r"tool_2\.13-1\.2\.3\.jar has SHA-256 .* but jars\.lock\.json says"):
        downloads.fetch_jars(silent)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_jar_damaged_on_disk_is_fetched_again(central):
    _, asked = central
    path = downloads.fetch_jars(silent) / JAR.name
    path.write_bytes(b"half a j")
    downloads.fetch_jars(silent)
    assert path.read_bytes() == CONTENT
    assert len(asked) == 2


def test_every_locked_jar_has_a_version_and_a_digest():
    lock = json.loads(files("retailflow_local").joinpath("jars.lock.json").read_text())
    jars = [Jar(**jar) for jar in lock]
    assert "io.delta:delta-spark_4.1_2.13:4.3.1" in [jar.coordinate for jar in jars]
    assert all(len(jar.sha256) == 64 and len(jar.coordinate.split(":")) == 3 for jar in jars)


def test_azurite_that_npm_could_not_install_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nmkdir -p node_modules/azurite\necho 'network unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(WorkspaceError, match=r"npm could not install azurite(.|\n)*network unreachable"):
        downloads.fetch_azurite(Tool(Path("/nowhere/node"), "20.1.0", npm=(str(npm),)), silent)
    assert list((tmp_path / "retailflow" / "azurite").iterdir()) == []


def test_the_lock_of_azurite_names_no_registry():
    lock = (downloads.AZURITE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 300
