import pytest
from typer.testing import CliRunner

from retailflow_local import cli
from retailflow_local.workspace import Workspace


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "Workspace", lambda: Workspace(tmp_path))
    return lambda *arguments: CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})


@pytest.mark.parametrize("text", ["2026-13-01", "20260115", "2026-W03-4", "2026-1-5", "yesterday", "2026-01-15; ls"])
def test_a_malformed_date_is_refused_before_anything_runs(run, text):
    result = run("deliver", text)
    assert result.exit_code == 2
    assert f"{text!r} is not a date as YYYY-MM-DD." in result.output


def test_a_feed_that_does_not_exist_is_refused_with_those_that_do(run):
    result = run("deliver", "2026-01-15", "--feed", "orders")
    assert result.exit_code == 2
    assert "orders: no file feed; there are products, stores" in result.output


def test_delivering_to_a_stopped_workspace_says_how_to_start_it(run):
    assert "./retailflow up" in str(run("deliver", "2026-01-15").exception)


@pytest.mark.parametrize("wish", ["airflow", "airflow=80", "airflow=x", "nothing=8080", "airflow=70000"])
def test_a_malformed_port_is_refused(run, wish):
    result = run("up", "--port", wish)
    assert result.exit_code == 2
    assert f"{wish!r} is not SERVICE=PORT" in result.output


def test_the_exit_code_of_status_is_one_for_a_stopped_workspace(run):
    assert run("status").exit_code == 1


@pytest.mark.parametrize("command", ["up", "down", "status", "doctor", "deliver", "cost", "airflow", "env", "test"])
def test_every_command_explains_itself(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
