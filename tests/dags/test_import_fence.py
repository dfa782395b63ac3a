"""Airflow parses our DAGs without Spark, a server's web framework, or a call to a network or its database."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from airflow.sdk.configuration import conf

DAGS = Path(__file__).parents[2] / "dags"

AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"  # as a server has it

FENCE = """
import socket, sys

class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in (
            "pyspark", "delta", "retailflow_spark", "retailflow_local", "retailflow_delivery", "flask_appbuilder",
            "kubernetes",
        ):
            raise ImportError(f"{name} must not be reachable from a DAG file")

sys.meta_path.insert(0, Fence())
from airflow.dag_processing.dagbag import DagBag
from airflow.models import Variable

def refuse(*_, **__):
    raise RuntimeError("a DAG file asked something while it was parsed")

socket.socket.connect = socket.create_connection = Variable.get = refuse
bag = DagBag(sys.argv[1])
print(sorted(bag.dags), bag.import_errors)
"""


def parse(folder):
    env = os.environ | {"AIRFLOW__CORE__AUTH_MANAGER": AUTH_MANAGER, "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor"}
    done = subprocess.run([sys.executable, "-c", FENCE, folder], capture_output=True, text=True, env=env, timeout=180)
    return done.stdout.splitlines()[-1] if done.stdout else done.stderr


def test_the_dags_parse_where_neither_spark_nor_a_web_framework_can_be_imported():
    found = parse(str(DAGS))
    assert sorted(path.stem for path in DAGS.glob("*.py")) == re.findall(r"'(retailflow_\w+)'", found)
    assert found.endswith(" {}")


@pytest.mark.parametrize("module", ["pyspark", "flask_appbuilder"])
def test_a_dag_that_reaches_for_them_does_not_pass_the_fence(tmp_path, module):
    (tmp_path / "leaky.py").write_text(f"from airflow.sdk import DAG\nimport {module}\nDAG('leaky')\n")
    assert f"{module} must not be reachable from a DAG file" in parse(str(tmp_path))


def test_airflow_finds_our_plugin_by_its_entry_point_and_looks_into_no_folder():
    found = [one.value for one in entry_points(group="airflow.plugins") if one.name == "retailflow"]
    assert found == ["retailflow_airflow.plugin:RetailFlowPlugin"]
    assert not Path(conf.get("core", "plugins_folder")).exists()
