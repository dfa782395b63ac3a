"""What GitHub's workflows may do, and the order in which a release is put into an environment."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from retailflow.release import of_commit
from retailflow_local import releases
from retailflow_local.workspace import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}


def steps(workflow: str, job: str) -> str:
    """Return the shell lines of a job, in order."""
    return "\n".join(step.get("run", "") for step in WORKFLOWS[workflow]["jobs"][job]["steps"])


def step(workflow: str, job: str, name: str) -> str:
    """Return the shell lines of one step."""
    (found,) = [step for step in WORKFLOWS[workflow]["jobs"][job]["steps"] if step.get("name") == name]
    return found["run"]


def of_pull_requests() -> list[str]:
    # YAML 1.1 reads the key `on` as true.
    return sorted(name for name, workflow in WORKFLOWS.items() if "pull_request" in workflow[True])


def test_there_are_workflows_of_pull_requests():
    assert of_pull_requests() == ["terraform-plan", "tests"]


@pytest.mark.parametrize("name", of_pull_requests())
def test_a_pull_request_gets_no_identity_and_no_runner_of_stg_or_prod(name):
    """Whoever pushes a branch chooses what the job runs."""
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


def test_the_plan_of_a_pull_request_reads_no_state_of_another_environment():
    """The role applies to the container: with all environments in one container, the plan could read them all."""
    guide = (REPOSITORY / "docs" / "DEPLOYMENT.md").read_text()
    container = "tfstate-$ENVIRONMENT"
    assert f"container_name={container}" in steps("terraform-plan", "plan")
    assert re.search(r"^assign plan .*/containers/(\S+)$", guide, re.MULTILINE)[1] == container
    assert f"az storage container create --name {container} " in guide
    assert "-backend-config=container_name=tfstate-dev " in guide


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


COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Stand-ins for the commands that reach GitHub and Databricks, and for the build, whose result is given.
STAND_INS = {
    "retailflow": 'test "$1" = pack && cp -r "$PACKED" "$2"',
    "git": "echo 1767225600",
    "gh": 'cp "$BUILT/jobs.tar.gz" .',
    "databricks": 'echo "$*" >> "$CALLS"; test -f databricks.yml && test -f resources/targets.yml',
}


@pytest.fixture
def rehearse(tmp_path, monkeypatch):
    """Pack, and release elsewhere, by the workflows' own shell lines; returns the process, its folder and its calls."""
    monkeypatch.setattr(releases, "version_of_checkout", lambda: of_commit(COMMIT))
    packed, built, elsewhere, calls = (tmp_path / name for name in ("packed", "built", "elsewhere", "calls"))
    releases.pack(packed)
    for folder in (built, elsewhere, tmp_path / "bin"):
        folder.mkdir()
    for name, lines in STAND_INS.items():
        file = (built if name == "retailflow" else tmp_path / "bin") / name
        file.write_text(f"#!/usr/bin/env bash\nset -e\n{lines}\n")
        file.chmod(0o755)
    settings = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        **{"PACKED": str(packed), "BUILT": str(built), "CALLS": str(calls), "GITHUB_OUTPUT": str(tmp_path / "output")},
        **{"COMMIT": COMMIT, "ENVIRONMENT": "dev", "RUN_ID": "1"},
    }

    def run(lines: str, folder: Path) -> subprocess.CompletedProcess:
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", lines]  # as GitHub starts it
        return subprocess.run(shell, cwd=folder, env=settings, capture_output=True, text=True, check=False)

    def rehearsed(commit: str = COMMIT) -> tuple[subprocess.CompletedProcess, Path, list[str]]:
        done = run(step("deploy-dev", "jobs", "Release and bundle in one file"), built)
        assert done.returncode == 0, done.stderr
        settings["DIGEST"] = (tmp_path / "output").read_text().strip().removeprefix("digest=")
        settings["COMMIT"] = commit
        lines = [step("release", "release", name) for name in ("The same bytes", "Release, bundle, and that it runs")]
        done = run("\n".join(lines), elsewhere)
        return done, elsewhere, calls.read_text().splitlines() if calls.exists() else []

    rehearsed.packed = packed
    return rehearsed


def test_the_pack_of_one_workflow_is_unpacked_and_installed_by_another(rehearse):
    done, folder, calls = rehearse()
    assert done.returncode == 0, done.stderr
    version = of_commit(COMMIT)
    assert calls == [
        f"workspace import-dir releases/{version} /Workspace/retailflow/releases/{version}",
        "bundle deploy --target dev",
        "bundle run retailflow_govern --target dev",
        "bundle run retailflow_smoke --target dev",
    ]
    files = [path.relative_to(rehearse.packed) for path in rehearse.packed.rglob("*") if path.is_file()]
    assert len(files) > 10
    for file in files:
        assert (folder / file).read_bytes() == (rehearse.packed / file).read_bytes()


def test_a_release_of_another_commit_than_the_image_is_not_installed(rehearse):
    """The image names the release of its commit: its DAGs would submit a release that is not there."""
    done, _, calls = rehearse("f" * 40)
    assert (done.returncode, calls) == (1, [])
    assert "::error::" in done.stdout


def test_each_long_test_is_in_a_part_of_the_night():
    parts = WORKFLOWS["nightly"]["jobs"]["full"]["strategy"]["matrix"]["part"]
    long = {
        path.relative_to(REPOSITORY).parts[1]
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if re.search(r"mark\.full\b", path.read_text())
    }
    assert long and long <= {part.split("/")[1] for part in parts}
    assert all((REPOSITORY / part).is_dir() for part in parts)
    assert './retailflow test --full "$PART"' in steps("nightly", "full")


def test_the_weekly_counters_are_existing_benchmarks():
    names = WORKFLOWS["weekly"]["jobs"]["counters"]["strategy"]["matrix"]["name"]
    assert names and all((REPOSITORY / "benchmarks" / f"{name}.py").exists() for name in names)
