"""A task imports what its environment names, in its own process and in the Python workers of its session."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from retailflow_local.jobs_api.environments import Environments, NotInstalled
from retailflow_local.state import workspace_files

SCRIPT = """\
import probe_of_environments as probe
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
try:
    there = spark.range(1).mapInArrow(probe.in_worker, "said STRING").collect()[0].said
    print("client", probe.WORD, "worker", there)
finally:
    spark.stop()
"""
MODULE = """\
import pyarrow as pa

WORD = {word!r}

def in_worker(batches):
    for batch in batches:
        yield pa.RecordBatch.from_pydict({{"said": [WORD]}})
"""


def wheel(folder: Path, word: str) -> Path:
    """Write a wheel of one module, which has a word; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "probe-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("probe_of_environments.py", MODULE.format(word=word))
    return path


def test_two_environments_beside_each_other_and_one_that_is_kept_by_its_text(workspace):
    root = workspace_files(workspace.root) / "probes"
    wheel(root / "one", "first")
    wheel(root / "two", "second")
    (root / "script.py").write_text(SCRIPT)
    client = WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token)

    def said(which: str) -> str:
        dependency = f"/Workspace/retailflow/probes/{which}/probe-1.0-py3-none-any.whl"
        body = {
            "tasks": [
                {
                    "task_key": "probe",
                    "environment_key": "default",
                    "disable_auto_optimization": True,
                    "spark_python_task": {"python_file": "/Workspace/retailflow/probes/script.py"},
                }
            ],
            "environments": [
                {"environment_key": "default", "spec": {"environment_version": "5", "dependencies": [dependency]}}
            ],
        }
        run_id = client.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=body)["run_id"]
        run = client.jobs.wait_get_run_job_terminated_or_skipped(run_id)
        output = client.jobs.get_run_output(run.tasks[-1].run_id)
        assert not output.error, output.error
        return output.logs.strip()

    assert [said("one"), said("two"), said("one")] == [
        "client first worker first",
        "client second worker second",
        "client first worker first",
    ]
    wheel(root / "one", "overwritten")
    assert said("one") == "client first worker first", "Databricks never sees other bytes under the same text"


@pytest.fixture
def environments(tmp_path) -> Environments:
    wheel(tmp_path / "files", "first")
    return Environments(tmp_path / "kept", tmp_path / "files")


def made_from(environments: Environments, tmp_path: Path, *lines: str) -> Path | None:
    (tmp_path / "files" / "requirements.txt").write_text("\n".join(lines))
    spec = {"dependencies": ["-r /Workspace/retailflow/requirements.txt"]}
    submission = json.loads(json.dumps({"environments": [{"environment_key": "default", "spec": spec}]}))
    return environments.of(submission, {"environment_key": "default"})


def test_a_wheel_with_another_hash_than_the_requirements_say_is_refused(environments, tmp_path):
    line = "/Workspace/retailflow/probe-1.0-py3-none-any.whl --hash=sha256:"
    right = hashlib.sha256((tmp_path / "files" / "probe-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(NotInstalled, match="its SHA-256 is another one"):
        made_from(environments, tmp_path, line + "0" * 64)
    assert (made_from(environments, tmp_path, line + right) / "probe_of_environments.py").is_file()


def test_a_package_that_this_machine_has_in_another_version_is_refused(environments, tmp_path):
    with pytest.raises(NotInstalled, match=r"pydantic==1\.0\.0 is not installed on this machine, but "):
        made_from(environments, tmp_path, "pydantic==1.0.0")
    with pytest.raises(NotInstalled, match="no-such-package is not installed"):
        made_from(environments, tmp_path, "no-such-package==1.0.0")
    assert made_from(environments, tmp_path, "pydantic==1.0.0 ; python_version < '3'") is not None


def test_a_file_that_is_not_there_is_refused_and_nothing_is_kept(environments, tmp_path):
    with pytest.raises(NotInstalled, match="the workspace does not contain this file"):
        made_from(environments, tmp_path, "/Workspace/retailflow/none.whl")
    assert list((tmp_path / "kept").iterdir()) == []
