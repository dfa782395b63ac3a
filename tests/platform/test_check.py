"""`./retailflow check` on Terraform: what it says, and the mistakes that turn it red."""

import json

import pytest
from typer.testing import CliRunner

from retailflow_delivery.checks import Check, Failed, Skipped, plans, results, tools
from retailflow_delivery.checks.delivery import Delivery
from retailflow_delivery.checks.terraform import MIRROR, Platform
from retailflow_local import cli, virtual_environments


def fails():
    raise Failed("it is wrong")


def skips():
    raise Skipped("there is no tool")


def test_all_checks_are_made_whatever_fails():
    checks = [Check("first", fails), Check("second", skips), Check("third", lambda: "3 things")]
    assert [(r.name, r.verdict, r.said) for r in results(checks)] == [
        ("first", "FAIL", "it is wrong"),
        ("second", "SKIPPED", "there is no tool"),
        ("third", "pass", "3 things"),
    ]


@pytest.mark.parametrize(("run", "code", "verdict"), [(fails, 1, "FAIL"), (skips, 0, "SKIPPED"), (str, 0, "pass")])
def test_the_exit_code_is_one_only_where_a_check_fails(monkeypatch, run, code, verdict):
    monkeypatch.setattr(Platform, "checks", lambda self: [Check("the check", run)])
    monkeypatch.setattr(Delivery, "checks", lambda self: [])
    answer = CliRunner().invoke(cli.app, ["check"])
    assert answer.exit_code == code
    assert answer.output.startswith(f"{verdict:8}the check")


def test_a_check_that_does_not_exist_is_refused_with_those_that_do():
    answer = CliRunner().invoke(cli.app, ["check", "terrafrom"], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert "known are grants, terraform fmt, terraform validate" in answer.output


def test_without_providers_a_check_is_skipped_and_says_what_would_make_it(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv(MIRROR, str(tmp_path / "nowhere"))
    checks = [
        c
        for c in Platform(checkout, tmp_path / "scratch").checks()
        if c.name in ("terraform validate", "terraform plans")
    ]
    assert len(checks) == 2
    for result in results(checks):
        assert result.verdict == "SKIPPED"
        assert f"{tmp_path / 'nowhere'} does not exist" in result.said
        assert "--registry" in result.said


def test_a_terraform_that_is_too_old_is_passed_over(monkeypatch, tmp_path):
    old = tmp_path / "terraform"
    old.write_text("""#!/bin/sh\necho '{"terraform_version": "1.10.5"}'\n""")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(tools.BUNDLED_ONLY, raising=False)
    monkeypatch.setattr(tools, "_environment", lambda group: tmp_path / group)
    assert tools.terraform()[0] == str(tmp_path / "terraform" / "bin" / "python")


def test_a_tool_that_cannot_be_brought_is_skipped_with_the_reason(monkeypatch, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: no route to host' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(virtual_environments, "find_uv", lambda: str(uv))
    with pytest.raises(Skipped, match="checkov could not be installed: error: no route to host"):
        tools.checkov()


def test_without_go_tflint_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="no Go to build it"):
        tools.tflint()


def test_the_configuration_is_valid_and_nothing_of_the_check_stays_in_the_checkout(checkout, verdicts):
    before = sorted(checkout.rglob("*"))
    names = ("grants", "terraform fmt", "terraform validate", "terraform order")
    found = verdicts(*names)
    assert {name: result.verdict for name, result in found.items()} == dict.fromkeys(names, "pass"), found
    assert sorted(checkout.rglob("*")) == before


@pytest.mark.full
def test_the_platform_passes_every_check(verdicts):
    found = verdicts()
    assert len(found) == 8
    assert [result for result in found.values() if result.verdict == "FAIL"] == []


def test_a_wrong_argument_is_found(plant, verdicts):
    plant("terraform/modules/storage/main.tf", "is_hns_enabled  ", "is_hns_enabeld  ")
    result = verdicts("terraform validate")["terraform validate"]
    assert result.verdict == "FAIL"
    assert 'An argument named "is_hns_enabeld" is not expected here' in result.said


def test_a_file_that_is_not_formatted_is_found(plant, verdicts):
    plant("terraform/main.tf", "  name     =", "  name =")
    result = verdicts("terraform fmt")["terraform fmt"]
    assert (result.verdict, result.said) == ("FAIL", "main.tf: run terraform fmt -recursive terraform.")


@pytest.mark.full
def test_a_public_container_in_prod_is_found(plant, verdicts):
    plant("terraform/modules/storage/main.tf", '"private"', 'var.replication == "ZRS" ? "blob" : "private"')
    found = verdicts("terraform validate", "terraform test", "terraform plans")
    assert found["terraform validate"].verdict == "pass"
    assert found["terraform plans"].verdict == "FAIL"
    assert (
        "prod: module.storage.azurerm_storage_container.raw: container_access_type is blob, which is public"
        in found["terraform plans"].said
    )
    assert "stg:" not in found["terraform plans"].said


@pytest.mark.full
@pytest.mark.usefixtures("without_module_tests")
def test_a_new_account_that_is_public_is_found_though_no_test_speaks_of_it(checkout, verdicts):
    text = (checkout / "terraform/modules/storage/main.tf").read_text()
    copy = text[: text.index('resource "azurerm_storage_container" "raw"')].replace('" "this" {', '" "second" {')
    copy = copy.replace("public_network_access_enabled     = !var.is_private", "public_network_access_enabled = true")
    (checkout / "terraform/modules/storage/second.tf").write_text(copy)
    found = verdicts("terraform test", "terraform plans")
    assert found["terraform test"].verdict == "pass"
    assert "stg: module.storage.azurerm_storage_account.second: public_network_access_enabled is True" in (
        found["terraform plans"].said
    )
    assert "dev:" not in found["terraform plans"].said


@pytest.mark.full
def test_a_reader_who_may_modify_is_found(checkout, verdicts):
    path = checkout / "terraform/unity_catalog.json"
    given = json.loads(path.read_text())
    given["grants"]["schema.gold"]["analytics"].append("MODIFY")
    path.write_text(json.dumps(given, indent=2) + "\n")
    names = ("grants", "terraform test", "terraform plans")
    found = verdicts(*names)
    assert {name: result.verdict for name, result in found.items()} == dict.fromkeys(names, "FAIL")
    assert "Run ./retailflow grants" in found["grants"].said
    assert "a reader has a privilege that is more than reading" in found["terraform test"].said
    assert "prod: grants on schema.gold are" in found["terraform plans"].said


@pytest.mark.full
@pytest.mark.usefixtures("without_module_tests")
def test_a_secret_in_the_state_is_found(checkout, verdicts):
    secret = """
resource "azurerm_key_vault_secret" "token" {
  name         = "orders-api-token"
  key_vault_id = azurerm_key_vault.this.id
  value        = "a token"
}
"""
    with (checkout / "terraform/modules/key_vault/main.tf").open("a") as file:
        file.write(secret)
    said = verdicts("terraform plans")["terraform plans"].said
    assert "dev: module.key_vault.azurerm_key_vault_secret.token: a secret would stand in Terraform's state" in said
    assert "a token" not in said


@pytest.mark.full
@pytest.mark.usefixtures("without_module_tests")
def test_a_name_that_the_jobs_do_not_use_is_found(plant, verdicts):
    plant("terraform/main.tf", "local.settings.secret_scope", '"retailflow-secrets"')
    said = verdicts("terraform plans")["terraform plans"].said
    assert (
        "dev: databricks_secret_scope.this: name is 'retailflow-secrets', but the jobs use 'retailflow-keyvault'"
        in said
    )


@pytest.mark.full
@pytest.mark.usefixtures("without_module_tests")
def test_a_cluster_policy_that_forbids_what_the_jobs_ask_for_is_found(plant, verdicts):
    plant("terraform/modules/databricks/compute.tf", '"USER_ISOLATION"', '"SINGLE_USER"')
    said = verdicts("terraform plans")["terraform plans"].said
    assert "the cluster policy wants data_security_mode to be SINGLE_USER, but the jobs ask for USER_ISOLATION" in said


def test_a_resource_of_an_unknown_provider_and_a_provider_for_nothing_are_found():
    plan = {"module.x.azurerm_container_registry.this": {}, 'module.x.azurerm_subnet.compute["public"]': {}}
    assert plans.unregistered({"dev": plan}, "for namespace in Network Storage; do") == [
        "azurerm_container_registry: say in plans.py which resource provider Azure needs for it",
        "docs/DEPLOYMENT.md registers Microsoft.Storage for nothing",
    ]


@pytest.mark.full
@pytest.mark.usefixtures("without_module_tests")
def test_what_no_module_sees_by_itself_is_found(plant, verdicts):
    plant("docs/DEPLOYMENT.md", "Insights KeyVault ManagedIdentity", "Insights ManagedIdentity")
    plant(
        "terraform/main.tf",
        "try(var.airflow_principal.object_id, null)\n  tags",
        "var.azure_databricks_object_id\n  tags",
    )
    plant("terraform/main.tf", 'local.settings.compute.profile != "serverless"', "local.is_prod")
    said = verdicts("terraform plans")["terraform plans"].said
    assert "docs/DEPLOYMENT.md does not register Microsoft.KeyVault" in said
    assert "stg: Key Vault Secrets User: {" in said
    assert "prod: there is a NAT gateway, but compute.profile is serverless" in said
    assert "stg: there is" not in said


@pytest.mark.full
@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (
            "modules/databricks/outputs.tf",
            "[var.private_endpoints, var.metastore]",
            "[var.private_endpoints]",
            "module.databricks.databricks_storage_credential.this does not wait for "
            "module.databricks_account.terraform_data.has_metastore",
        ),
        (
            "modules/databricks_account/workspace_access.tf",
            "depends_on = [databricks_metastore_assignment.this]",
            "",
            "has_metastore does not wait for module.databricks_account.databricks_metastore_assignment.this",
        ),
        (
            "modules/databricks_account/outputs.tf",
            "depends_on = [terraform_data.has_principals]",
            "",
            "module.databricks.databricks_permissions.code does not wait for "
            "module.databricks_account.terraform_data.has_principals",
        ),
        (
            "modules/networking/private_endpoints.tf",
            "depends_on = [azurerm_private_endpoint.this]",
            "",
            "azurerm_private_endpoint.login does not wait for module.networking.azurerm_private_endpoint.this",
        ),
        (
            "modules/databricks/unity_catalog.tf",
            "# Each holds all privileges",
            'data "databricks_group" "users" {\n  display_name = "users"\n}\n\n#',
            "module.databricks.data.databricks_group.users: a pull request's plan cannot read it",
        ),
    ],
    ids=["no metastore", "no assignment", "no principals", "two endpoints at once", "data of Databricks"],
)
def test_a_resource_that_the_first_apply_would_make_too_early_is_found(plant, verdicts, file, right, wrong, said):
    plant(f"terraform/{file}", right, wrong)
    result = verdicts("terraform order")["terraform order"]
    assert result.verdict == "FAIL"
    assert said in result.said


@pytest.mark.full
def test_terraform_from_the_package_index_passes_the_same_checks(verdicts, monkeypatch):
    monkeypatch.setenv(tools.BUNDLED_ONLY, "1")
    names = ("terraform fmt", "terraform validate", "terraform test", "terraform plans")
    found = verdicts(*names)
    assert {name: result.verdict for name, result in found.items()} == dict.fromkeys(names, "pass"), found
