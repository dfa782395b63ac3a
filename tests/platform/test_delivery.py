"""`./retailflow check` on what is delivered: the Databricks job, workflows, images. Mistakes turn it red."""

import pytest

from retailflow_delivery.checks import results
from retailflow_delivery.checks.delivery import Delivery

JOBS = "resources/retailflow_main_pipeline.yml"


@pytest.fixture
def verdict(checkout):
    """`verdict(name)`: runs one check. If its tool cannot be installed, the test is skipped with the reason."""

    def made(name: str):
        (found,) = results(check for check in Delivery(checkout).checks() if check.name == name)
        if found.verdict == "SKIPPED":
            pytest.skip(found.said)
        return found

    return made


@pytest.mark.parametrize("name", ["types", "schemas", "bundle", "actionlint", "zizmor", "hadolint", "compose"])
def test_everything_delivered_passes_its_check(verdict, name):
    found = verdict(name)
    assert found.verdict == "pass", found.said


def test_a_wrong_type_is_found(plant, verdict):
    plant("include/retailflow/raw.py", "return self._container.get_blob_client(path).exists()", "return path")
    assert "include/retailflow/raw.py" in verdict("types").said


def test_a_task_that_is_missing_from_the_job_is_found(checkout, verdict):
    lines = (checkout / JOBS).read_text().splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if "- task_key: silver_" in line]
    (checkout / JOBS).write_text("".join(lines[: starts[0]] + lines[starts[1] :]))
    found = verdict("bundle")
    assert (found.verdict, found.said) == (
        "FAIL",
        f"{JOBS}: not what the contracts say. Run ./retailflow bundle.",
    )


def test_a_field_that_databricks_does_not_know_is_found(plant, verdict):
    plant(JOBS, "max_concurrent_runs: 1", "max_concurent_runs: 1")
    said = verdict("bundle").said
    for job in ("retailflow_main_pipeline", "retailflow_govern"):
        assert f"retailflow_main_pipeline.yml: {job}: Unexpected field 'max_concurent_runs' for class Job" in said


def test_a_field_that_databricks_does_not_know_deep_in_a_task_is_found(plant, verdict):
    plant(JOBS, "python_file: ", "python_fiel: ")
    assert "python_fiel" in verdict("bundle").said


def test_a_field_of_the_pipeline_that_databricks_does_not_know_is_found(plant, verdict):
    plant("resources/retailflow_orders_lakeflow.yml", "serverless: true", "severless: true")
    said = verdict("bundle").said
    place = "retailflow_orders_lakeflow.yml: retailflow_orders_lakeflow"
    assert f"{place}: Unexpected field 'severless' for class Pipeline" in said


def test_a_warehouse_id_that_yaml_1_2_reads_as_a_number_is_found(plant, verdict):
    plant("resources/targets.yml", "readers_warehouse_id: 00000000000000a2", "readers_warehouse_id: 0000000000000e42")
    assert "targets.yml: prod: YAML 1.2 reads readers_warehouse_id as a number: quote it" in verdict("bundle").said


def test_a_variable_without_a_value_in_a_target_is_found(plant, verdict):
    plant("resources/targets.yml", "      catalog: retailflow_prod\n", "")
    assert "the target prod has no value for var.catalog" in verdict("bundle").said


def test_a_target_without_a_job_is_found(plant, verdict):
    plant("databricks.yml", "  prod: *target\n", "  prod: *target\n  test: *target\n")
    assert "databricks.yml: has the targets dev, stg, prod, test, not dev, stg, prod" in verdict("bundle").said


def test_a_schema_that_is_not_the_contract_s_is_found(plant, verdict):
    plant("docs/schemas/orders.schema.json", '"minLength": 1', '"minLength": 2')
    assert verdict("schemas").said == (
        "docs/schemas/orders.schema.json: not what the contracts say. Run ./retailflow contracts schemas."
    )


def test_an_action_that_is_not_pinned_is_found(plant, verdict):
    plant(".github/workflows/tests.yml", "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5")
    found = verdict("zizmor")
    assert found.verdict == "FAIL"
    assert "unpinned-uses" in found.said


def test_a_value_of_a_pull_request_in_a_shell_line_is_found(plant, verdict):
    plant(".github/workflows/tests.yml", "- run: .ci/run", "- run: echo ${{ github.event.pull_request.title }}")
    assert "template-injection" in verdict("zizmor").said


def test_a_workflow_with_the_rights_of_the_target_is_found(plant, verdict):
    plant(".github/workflows/tests.yml", "  pull_request:\n", "  pull_request_target:\n")
    assert "dangerous-triggers" in verdict("zizmor").said


def test_a_job_that_needs_one_that_is_not_there_is_found(plant, verdict):
    plant(".github/workflows/promote-environment.yml", "needs: [review, plan]", "needs: [reviev, plan]")
    found = verdict("actionlint")
    assert found.verdict == "FAIL"
    assert '"reviev"' in found.said


def test_an_image_without_a_version_is_found(plant, verdict):
    plant("Dockerfile", "FROM python:3.11-slim-bookworm AS airflow", "FROM python AS airflow")
    assert "DL3006" in verdict("hadolint").said


def test_a_key_that_compose_does_not_know_is_found(plant, verdict):
    plant("docker-compose.yaml", "command: [run, azurite]", "comand: [run, azurite]")
    assert "services.azurite additional properties 'comand' not allowed" in verdict("compose").said


def test_a_diagram_that_cannot_be_drawn_is_found(plant, verdict):
    plant("docs/DATA_FLOW.md", "  so[silver.orders] --> fo[fact_orders]", "  so[silver.orders --> fo[fact_orders]")
    found = verdict("diagrams").said
    assert found.startswith("docs/DATA_FLOW.md:")
    assert "silver.orders" in found
