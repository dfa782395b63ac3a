"""What GitHub's workflows may do, and the order in which a release is put into an environment."""

import re

import pytest
import yaml

from retailflow_local.workspace import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}


def steps(workflow: str, job: str) -> str:
    """The shell lines of a job, in order."""
    return "\n".join(step.get("run", "") for step in WORKFLOWS[workflow]["jobs"][job]["steps"])


def of_pull_requests() -> list[str]:
    # YAML 1.1 reads the key `on` as true.
    return sorted(name for name, workflow in WORKFLOWS.items() if "pull_request" in workflow[True])


def test_there_are_workflows_of_pull_requests():
    assert of_pull_requests() == ["terraform-plan", "tests"]


@pytest.mark.parametrize("name", of_pull_requests())
def test_a_pull_request_gets_no_identity_and_no_runner_of_stg_or_prod(name):
    """Whoever pushes a branch chooses what such a job runs."""
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["runs-on"] == "ubuntu-24.04"
        text = str(job)
        assert "RUNNER_" not in text
        assert not re.search(r"\b(stg|prod)\b", text), text
        assert job.get("environment") in (None, "${{ matrix.environment }}-plan")


def test_a_plan_reads_the_recorded_state_alone():
    plan = steps("terraform-plan", "plan")
    assert re.search(r"terraform plan .*-refresh=false", plan)
    assert "terraform apply" not in plan


def test_a_release_comes_before_the_bundle_its_masks_the_smoke_test_and_the_image():
    lines = steps("release", "release")
    order = ["sha256sum --check", "workspace import-dir", "bundle deploy", "retailflow_govern"]
    order += ["retailflow_smoke", "imagetools create"]
    places = [lines.index(step) for step in order]
    assert places == sorted(places)
    assert "--overwrite" not in lines, "a release never changes"


def test_databricks_gets_a_token_of_the_audience_that_its_policy_accepts():
    all_steps = WORKFLOWS["release"]["jobs"]["release"]["steps"]
    (step,) = [step for step in all_steps if "bundle deploy" in step.get("run", "")]
    assert step["env"]["DATABRICKS_TOKEN_AUDIENCE"] == "${{ vars.DATABRICKS_ACCOUNT_ID }}"


def test_every_output_of_terraform_that_a_file_names_exists():
    outputs = set(re.findall(r'^output "(\w+)"', (REPOSITORY / "terraform" / "outputs.tf").read_text(), re.MULTILINE))
    files = [REPOSITORY / "databricks.yml", *FOLDER.glob("*.yml"), *(REPOSITORY / "docs").rglob("*.md")]
    named = {name for file in files for name in re.findall(r"terraform output (?:-raw )?(\w+)", file.read_text())}
    assert named
    assert named <= outputs
