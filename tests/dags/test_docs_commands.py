"""Documents, e-mails and docstrings name only commands and settings that exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf

from retailflow_local.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "dags").glob("*.py")])
_BLOCK = re.compile(r"^( *)```(?:bash|sh|shell)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(\./retailflow [^`\n]+|airflow [a-z][^`\n]+)`")
_SETTING = re.compile(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)\b")
_EXAMPLES = {"date": "2026-01-15", "feed": "orders", "commit": "HEAD", "batch": "01KF23B0T0"}
_OF_OTHERS = {"cosmos"}  # sections of packages that do not declare their settings to Airflow


def commands(text):
    """Yield the `airflow …` and `./retailflow …` commands of the shell blocks, each as words."""
    for block in _BLOCK.finditer(text):
        for statement in _statements(block[2]):
            words = [word for word in shlex.split(statement, comments=True) if not word.startswith("AIRFLOW__")]
            if words[:1] in (["./retailflow"], ["airflow"]):
                yield [_EXAMPLES.get(word.strip("<>"), word) for word in words]


def _statements(block):
    """Yield the statements: lines, joined where a backslash or an open quote continues them."""
    waiting = ""
    for line in block.splitlines():
        waiting += line.strip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        try:
            shlex.split(waiting, comments=True)
        except ValueError:  # a quote is open
            continue
        yield waiting
        waiting = ""
    assert not waiting.strip(), f"no end: {waiting}"


def refusal(words):
    """Return why Airflow's parser, or ours, refuses the command; empty if it accepts it."""
    if words[0] == "./retailflow" and words[1:2] != ["airflow"]:
        return _refusal_of_ours(words[1:])
    given = words[words.index("airflow") + 1 :]
    try:
        get_parser().parse_args(given)
    except SystemExit as ended:
        return f"airflow ends with {ended.code}"
    return ""


def _refusal_of_ours(words):
    command, context = typer.main.get_command(app), None
    try:
        while isinstance(command, click.Group) or hasattr(command, "commands"):
            if not words:
                return ""
            name, *words = words
            if name not in command.commands:
                return f"no command {name}"
            command = command.commands[name]
        command.make_context(command.name, list(words), parent=context)
    except Exception as error:  # typer has its own copy of click
        return str(error) or type(error).__name__
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_taken_by_the_parser_that_it_is_for(page, capsys):
    refused = {" ".join(words): why for words in commands(page.read_text()) if (why := refusal(words))}
    assert not refused, capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists(page):
    named = [shlex.split(found[1].replace("…", "")) for found in _INLINE.finditer(page.read_text())]
    assert not [words for words in named if not _exists(words)]


def _exists(words):
    words = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    if "airflow" not in words[:1]:
        return _refusal_of_ours(words[:1]) == "" or words[0] in typer.main.get_command(app).commands
    parser = get_parser()
    for word in words[1:]:
        choices = next(
            (action.choices for action in parser._actions if action.choices and action.dest == "subcommand"), None
        )
        if not choices:
            return True
        if word not in choices:
            return False
        parser = choices[word]
    return True


def test_commands_are_found_in_blocks_and_in_sentences():
    block = "```bash\n# first\n./retailflow up\nairflow dags trigger retailflow_daily \\\n    --conf '{\n}'\nls\n```\n"
    assert list(commands(block)) == [
        ["./retailflow", "up"],
        ["airflow", "dags", "trigger", "retailflow_daily", "--conf", "{ }"],
    ]
    assert _INLINE.findall("Give `./retailflow status`, or `airflow info`.") == ["./retailflow status", "airflow info"]


def test_every_setting_of_airflow_exists():
    known = {
        (section, option) for section, found in conf.configuration_description.items() for option in found["options"]
    }
    sources = [*PAGES, ROOT / "Dockerfile", ROOT / "docker-compose.yaml", *(ROOT / "local").rglob("*.py")]
    named = {
        (found[1].lower(), found[2].lower()): path.name
        for path in sources
        for found in _SETTING.finditer(path.read_text())
    }
    assert named
    unknown = {one: page for one, page in named.items() if one not in known and one[0] not in _OF_OTHERS}
    assert not unknown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["./retailflow", "withdrawn", "orders"], "no command withdrawn"),
        (["airflow", "backfill", "create", "--dag", "retailflow_daily"], "airflow ends with 2"),
        (["./retailflow", "sql", "SELECT 1", "--excel"], "No such option"),
    ],
)
def test_a_command_that_does_not_exist_is_seen(words, why):
    assert why in refusal(words)
