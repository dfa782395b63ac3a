"""A deployment rehearsed on the local workspace with the Databricks SDK: what the workflow `release` does by the CLI.

The CLI itself cannot run here. The test does its steps: import the release, create or replace the jobs, start the smoke
test.
"""

import base64
import tarfile
from pathlib import Path

import pytest
import yaml
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import ResourceAlreadyExists
from databricks.sdk.service import jobs
from databricks.sdk.service.workspace import ImportFormat

from retailflow.release import FOLDER, Release
from retailflow_local import releases


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> tuple[Path, Release]:
    """The folder of the unpacked archive, and its release."""
    packed, folder = tmp_path_factory.mktemp("pack") / "jobs", tmp_path_factory.mktemp("unpacked")
    releases.pack(packed)
    archive = packed.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as file:
        file.add(packed, ".")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    (release,) = (folder / "releases").iterdir()
    return folder, Release(release.name)


@pytest.fixture
def client(workspace) -> WorkspaceClient:
    return WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token)


def import_release(client: WorkspaceClient, folder: Path, release: Release) -> None:
    """Import like `databricks workspace import-dir` without --overwrite: existing files stay."""
    source = folder / "releases" / release.version
    for path in (source, *sorted(source.rglob("*"))):
        target = f"{FOLDER}/{release.version}/{path.relative_to(source)}".removesuffix("/.")
        if path.is_dir():
            client.workspace.mkdirs(target)
            continue
        try:
            content = base64.b64encode(path.read_bytes()).decode()
            client.workspace.import_(target, content=content, format=ImportFormat.AUTO)
        except ResourceAlreadyExists:
            continue


def smoke_job(folder: Path, release: Release) -> dict:
    """Return the settings of the bundle's smoke test with the variables of the local workspace."""
    text = (folder / "resources" / "retailflow_main_pipeline.yml").read_text()
    settings = yaml.safe_load(text)["resources"]["jobs"]["retailflow_smoke"]
    values = {"${bundle.target}": "local", "${var.release}": release.version, "${var.jobs_principal}": "jobs"}
    settings |= {"tags": {}, "performance_target": "STANDARD"}
    text = yaml.safe_dump(settings)
    for reference, value in values.items():
        text = text.replace(reference, value)
    return yaml.safe_load(text)


def test_a_release_is_imported_its_jobs_are_replaced_and_the_smoke_test_runs(unpacked, client, tables):
    folder, release = unpacked
    for _ in range(2):  # an import that broke off is completed
        import_release(client, folder, release)
    there = {found.path for found in client.workspace.list(release.folder)}
    assert {release.wheel, release.requirements} <= there
    settings = smoke_job(folder, release) | {"name": "older"}
    job_id = client.api_client.do("POST", "/api/2.2/jobs/create", body=settings)["job_id"]
    client.jobs.reset(job_id, jobs.JobSettings.from_dict(smoke_job(folder, release)))
    assert [job.settings.name for job in client.jobs.list() if job.job_id == job_id] == ["RetailFlow_Smoke"]
    run = client.jobs.run_now(job_id).result()
    output = client.jobs.get_run_output(run.tasks[0].run_id).logs
    assert "This release runs: compute, " in output
    written = tables.spark.sql("SHOW TABLES IN spark_catalog.ops").where("NOT isTemporary").collect()
    assert written == [], "the smoke test writes nothing"


def test_a_job_of_another_release_than_its_code_is_refused(unpacked, client):
    folder, release = unpacked
    import_release(client, folder, release)
    settings = smoke_job(folder, release)
    (task,) = settings["tasks"]
    task["spark_python_task"]["parameters"][3] = "9.9.9+g0"
    created = client.api_client.do("POST", "/api/2.2/jobs/create", body=settings)
    run = client.jobs.run_now(created["job_id"]).result()
    assert run.state.result_state == jobs.RunResultState.FAILED
    error = client.jobs.get_run_output(run.tasks[0].run_id).error
    assert f"this task belongs to the release 9.9.9+g0, but the code is {release.version}." in error
