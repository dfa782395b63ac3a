import pytest

from retailflow_local import doctor
from retailflow_local.downloads import Jar
from retailflow_local.errors import WorkspaceError
from retailflow_local.workspace import Workspace


@pytest.fixture
def one_jar(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "jars_folder", lambda: tmp_path)
    monkeypatch.setattr(doctor, "locked_jars", lambda: [Jar("org.example:tool:1", "0" * 64)])
    return tmp_path / "tool-1.jar"


def test_jars_not_fetched_yet_are_missing_and_a_start_brings_them(one_jar):
    assert doctor._jars() == doctor.Check("Spark's jars", "missing", "1 of 1", "./retailflow up fetches them.")


def test_a_damaged_jar_is_broken_and_named(one_jar):
    one_jar.write_bytes(b"half")
    check = doctor._jars()
    assert (check.verdict, check.finding) == ("broken", "damaged: tool-1.jar")


def test_too_little_disk_is_broken_with_a_fix(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "DISK_NEEDED_GIB", 10**6)
    check = doctor._disk(Workspace(tmp_path / "not yet there"))
    assert check.verdict == "broken"
    assert check.fix.startswith("Free 1000000 GiB")


def test_a_missing_tool_is_reported_with_its_own_sentence():
    def find():
        raise WorkspaceError("Java 17 or 21 is missing.")

    assert doctor._tool("Java", find) == doctor.Check("Java", "missing", "none that fits", "Java 17 or 21 is missing.")


def test_a_workspace_that_never_ran_is_stopped_and_that_is_fine(tmp_path):
    check = doctor._services(Workspace(tmp_path))
    assert (check.verdict, check.finding) == ("ok", "stopped")
