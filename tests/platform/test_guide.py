"""docs/DEPLOYMENT.md agrees with the code that it describes."""

import re

from retailflow.environments import load_environment
from retailflow_delivery.cloud import secret_names
from retailflow_delivery.grants import ROLES
from retailflow_local.workspace import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "DEPLOYMENT.md").read_text()
TERRAFORM = REPOSITORY / "terraform"


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    table = GUIDE.split(f"\n### {heading}\n")[1].split("\n|", 1)[1].split("\n\n")[0]
    return [line.strip("|").split("|") for line in table.splitlines()[2:]]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_.-]+)`", text))


def test_every_identity_has_a_row():
    named = quoted(" ".join(row[0] for row in rows("Identities")))
    assert named >= {*ROLES, "ingestion", "eraser", "plan"}


def test_the_file_that_gives_an_identity_its_rights_exists():
    files = {path.relative_to(TERRAFORM).as_posix() for path in TERRAFORM.rglob("*") if path.is_file()}
    named = {name for _, _, given in rows("Identities") for name in quoted(given) if name.endswith((".tf", ".json"))}
    assert named
    assert {name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)} == set()


def test_the_guide_puts_every_secret_that_jobs_read_into_the_vault():
    assert quoted(" ".join(row[0] for row in rows("4. Secrets, by hand"))) >= set(
        secret_names(load_environment("prod"))
    )


def outputs_of_terraform() -> set[str]:
    return set(re.findall(r'^output "(\w+)"', (TERRAFORM / "outputs.tf").read_text(), re.MULTILINE))


def test_every_output_of_terraform_has_its_place():
    outputs = outputs_of_terraform()
    named = quoted(" ".join(row[0] for row in rows("5. What the environment file still needs")))
    assert named == outputs - {"key_vault_name", "serverless_endpoints_to_approve"}


def test_every_output_that_the_guide_names_exists():
    files = [*(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "databricks.yml"]
    named = {name for path in files for name in re.findall(r"terraform output (\w+)", path.read_text())}
    assert named and named <= outputs_of_terraform()


def test_every_workflow_that_the_guide_names_exists():
    """By the guide, and by `./retailflow doctor --env` where no release is deployed."""
    doctor = (REPOSITORY / "delivery" / "retailflow_delivery" / "cloud" / "readiness.py").read_text()
    (advised,) = re.findall(r'"Run the workflow ([a-z-]+) or ([a-z-]+)\."', doctor)
    table = GUIDE.split("\n## The code, by GitHub's workflows\n")[1].split("\n|", 1)[1].split("\n\n")[0]
    named = {line.split("`")[1] for line in table.splitlines()[2:]}
    assert named >= set(advised)
    assert named <= {path.stem for path in (REPOSITORY / ".github" / "workflows").glob("*.yml")}


def test_every_variable_of_terraform_is_in_the_example():
    variables = set(re.findall(r'^variable "(\w+)"', (TERRAFORM / "variables.tf").read_text(), re.MULTILINE))
    example = set(re.findall(r"^(?:# )?(\w+) +=", (TERRAFORM / "terraform.tfvars.example").read_text(), re.MULTILINE))
    assert example == variables - {"environment", "private_endpoints", "address_space"}
