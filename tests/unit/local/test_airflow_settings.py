import os
import subprocess
import sys
from pathlib import Path

import pytest

from retailflow_local import airflow
from retailflow_local.state import PREFERRED_PORTS, Secrets
from retailflow_local.workspace import REPOSITORY, inherited

PRINT_DATABASE = "import airflow_local_settings as s; print(getattr(s, 'SQL_ALCHEMY_CONN', 'the common one'))"


@pytest.mark.parametrize(
    ("arguments", "database"),
    [
        (["dags", "test", "retailflow_daily"], "sqlite:////home/dags_test.db"),
        (["dags", "list"], "the common one"),
        (["scheduler"], "the common one"),
    ],
)
def test_only_dags_test_keeps_its_runs_apart_from_the_running_scheduler(arguments, database):
    kept_apart = {"RETAILFLOW_DAGS_TEST_DATABASE": "sqlite:////home/dags_test.db"}
    environment = os.environ | kept_apart | {"PYTHONPATH": str(REPOSITORY / "local" / "airflow_settings")}
    command = [sys.executable, "-c", PRINT_DATABASE, *arguments]
    assert subprocess.check_output(command, env=environment, text=True).strip() == database


def test_airflow_listens_on_loopback_only_and_calls_nobody():
    settings = airflow.environment(Path("/anywhere"), REPOSITORY, PREFERRED_PORTS, Secrets.generate(), "sqlite")
    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert settings["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert "--skip-serve-logs" in airflow.component_command("scheduler")
    assert "--skip-serve-logs" in airflow.component_command("triggerer")


def test_another_tools_settings_in_the_shell_do_not_reach_the_workspace(monkeypatch):
    foreign = {"AIRFLOW__CORE__EXECUTOR", "SPARK_REMOTE", "PYSPARK_PYTHON", "DATABRICKS_TOKEN", "JAVA_TOOL_OPTIONS"}
    for name in foreign | {"HTTPS_PROXY"}:
        monkeypatch.setenv(name, "x")
    assert foreign & inherited().keys() == set()
    assert inherited()["HTTPS_PROXY"] == "x"
