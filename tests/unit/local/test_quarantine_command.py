import pytest
from typer.testing import CliRunner

from retailflow_local import cli, quarantine
from retailflow_local.workspace import Workspace


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(quarantine, "Workspace", lambda: Workspace(tmp_path))
    return lambda *arguments: CliRunner().invoke(cli.app, ["quarantine", *arguments], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--feed", "order"], "'order' is not a known feed; known are clickstream, customers"),
        (["list", "--date", "2026-1-5"], "'2026-1-5' is not a date as YYYY-MM-DD."),
        (["show", "--feed", "orders"], "Missing option '--date'"),
        (["retry", "--from", "2026-01-16", "--to", "2026-01-15"], "--from 2026-01-16 comes after --to 2026-01-15."),
        (["retry", "--feed", "x'; DROP TABLE y"], "is not a known feed"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "--feed", "orders", "--date", "2026-01-15"], ["retry", "--feed", "orders"]]
)
def test_a_stopped_workspace_is_refused_with_the_command_that_starts_it(run, arguments):
    assert "./retailflow up" in str(run(*arguments).exception)
