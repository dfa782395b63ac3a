import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from retailflow_local import airflow
from retailflow_local.state import PREFERRED_PORTS, Secrets
from retailflow_local.workspace import REPOSITORY, inherited

PRINT_DATABASE = "import airflow_local_settings as s; print(getattr(s, 'SQL_ALCHEMY_CONN', 'the common one'))"
WRITE_IN_A_SAVEPOINT = """
import sqlite3, sys
import airflow_local_settings
import sqlalchemy

other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
with sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}").connect() as own:
    with own.begin_nested():
        own.exec_driver_sql("SELECT * FROM runs").fetchall()
        try:
            other.execute("INSERT INTO runs VALUES ('other')")
        except sqlite3.OperationalError as error:
            print("other:", error)
        own.exec_driver_sql("INSERT INTO runs VALUES ('own')")
    own.commit()
print(other.execute("SELECT name FROM runs").fetchall())
"""


@pytest.mark.parametrize(
    ("arguments", "database"),
    [
        (["dags", "test", "retailflow_daily"], "sqlite:////home/dags_test.db"),
        (["dags", "list"], "the common one"),
        (["scheduler"], "the common one"),
    ],
)
def test_only_dags_test_keeps_its_runs_apart_from_the_running_scheduler(arguments, database):
    assert said_by(PRINT_DATABASE, *arguments) == database


def test_a_backfill_on_sqlite_is_not_refused_while_another_process_writes(tmp_path):
    path = tmp_path / "airflow.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE runs (name TEXT)")
    assert said_by(WRITE_IN_A_SAVEPOINT, str(path)) == "other: database is locked\n[('own',)]"


def said_by(program: str, *arguments: str) -> str:
    kept_apart = {"RETAILFLOW_DAGS_TEST_DATABASE": "sqlite:////home/dags_test.db"}
    environment = os.environ | kept_apart | {"PYTHONPATH": str(REPOSITORY / "local" / "airflow_settings")}
    return subprocess.check_output([sys.executable, "-c", program, *arguments], env=environment, text=True).strip()


def test_airflow_listens_on_loopback_only_and_calls_nobody():
    settings = airflow.environment(Path("/anywhere"), REPOSITORY, PREFERRED_PORTS, Secrets.generate(), "sqlite")
    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert "--skip-serve-logs" in airflow.component_command("scheduler")
    assert "--skip-serve-logs" in airflow.component_command("triggerer")


def test_another_tools_settings_in_the_shell_do_not_reach_the_workspace(monkeypatch):
    foreign = {"AIRFLOW__CORE__EXECUTOR", "SPARK_REMOTE", "PYSPARK_PYTHON", "DATABRICKS_TOKEN", "JAVA_TOOL_OPTIONS"}
    for name in foreign | {"HTTPS_PROXY"}:
        monkeypatch.setenv(name, "x")
    assert foreign & inherited().keys() == set()
    assert inherited()["HTTPS_PROXY"] == "x"
