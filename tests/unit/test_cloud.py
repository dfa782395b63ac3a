"""`doctor --env`, with stand-ins for Azure and Databricks that have the names and arguments of their SDKs."""

from dataclasses import replace
from types import SimpleNamespace as Found
from unittest.mock import create_autospec

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import FileSystemClient
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.catalog import Privilege, PrivilegeAssignment
from databricks.sdk.service.sql import ServiceError, StatementState
from typer.testing import CliRunner

from retailflow.contracts import feeds
from retailflow.contracts.privacy import classifications
from retailflow.environments import load_environment
from retailflow.release import FOLDER, Release
from retailflow_delivery.cloud import Cloud, connect, raw_store, secret_names
from retailflow_delivery.cloud.readiness import diagnose
from retailflow_delivery.grants import grants, schemas
from retailflow_local import cli
from retailflow_local.errors import WorkspaceError
from retailflow_local.releases import version_of_checkout
from retailflow_local.workspace import REPOSITORY

ENV = load_environment("dev")
RELEASE = Release(version_of_checkout())


def assignments(kind: str, full_name: str) -> Found:
    securable = ".".join((kind, *full_name.split(".")[1:]))
    of_roles = grants()[securable].items()
    given = [
        PrivilegeAssignment(f"retailflow_dev_{role}", [Privilege(name) for name in names]) for role, names in of_roles
    ]
    return Found(privilege_assignments=[*given, PrivilegeAssignment("somebody@example.com", [Privilege.SELECT])])


def tagged_columns() -> list[list[str | None]]:
    """Return the rows of the information schema after the first day: table, column and tag."""
    tables = {table.name: table for contract in feeds() for table in contract.tables}
    return [[name, column, tag] for name, table in tables.items() for column, tag in classifications(table).items()]


def answer(rows: list[list[str | None]]) -> Found:
    return Found(status=Found(state=StatementState.SUCCEEDED, error=None), result=Found(data_array=rows))


@pytest.fixture
def cloud() -> Cloud:
    """An environment that is completely ready."""
    made = Cloud(ENV, create_autospec(FileSystemClient, instance=True), create_autospec(WorkspaceClient, instance=True))
    made.raw.get_paths.return_value = [Found(name=contract.name) for contract in feeds()]
    workspace = made.workspace
    workspace.config = Found(host="https://adb-1.azuredatabricks.net")
    workspace.current_user.me.return_value = Found(user_name="ada@example.com")
    workspace.secrets.list_secrets.return_value = [Found(key=name) for name in secret_names(ENV)]
    scripts = [RELEASE.script(path.stem) for path in (REPOSITORY / "spark_jobs").glob("*.py")]
    there = {FOLDER: [RELEASE.folder], RELEASE.folder: [RELEASE.wheel, RELEASE.requirements]}
    there[f"{RELEASE.folder}/spark_jobs"] = scripts
    workspace.workspace.list.side_effect = lambda path: [Found(path=found) for found in there[path]]
    workspace.statement_execution.execute_statement.return_value = answer(tagged_columns())
    workspace.policies.list_policies.return_value = [Found(name="retailflow_mask")]
    workspace.schemas.list.return_value = [Found(name=name) for name in schemas()]
    workspace.external_locations.list.return_value = [Found(url=f"{ENV.raw.root}/")]
    workspace.grants.get.side_effect = assignments
    return made


def broken(cloud: Cloud) -> dict[str, str]:
    return {check.name: check.finding for check in diagnose(cloud) if check.verdict != "ok"}


def test_a_ready_environment_passes_every_check(cloud):
    checks = list(diagnose(cloud))
    assert [check.name for check in checks if check.verdict == "ok"] == [check.name for check in checks]
    assert len(checks) == 10


def test_each_thing_that_is_missing_is_named(cloud):
    cloud.workspace.secrets.list_secrets.return_value = []
    cloud.workspace.workspace.list.side_effect = lambda path: []
    cloud.workspace.schemas.list.return_value = [Found(name="bronze")]
    cloud.workspace.external_locations.list.return_value = [Found(url="abfss://other@x.dfs.core.windows.net/")]
    failed = Found(status=Found(state=StatementState.FAILED, error=ServiceError(message="no such warehouse")))
    cloud.workspace.statement_execution.execute_statement.return_value = failed
    found = broken(cloud)
    assert found.keys() == {"Secrets", "Code", "Warehouse", "Schemas", "Location", "Tags"}
    assert "orders-api-token" in found["Secrets"]
    assert f"{RELEASE.version}, is not deployed; there is none" in found["Code"]
    assert found["Warehouse"].endswith("no such warehouse")
    assert "silver" in found["Schemas"]


def test_without_an_eraser_its_secrets_are_not_required_and_the_check_says_so(cloud):
    (found,) = (check for check in diagnose(cloud) if check.name == "Secrets")
    assert (found.verdict, found.finding) == ("ok", "the scope retailflow-keyvault has all 8 that jobs read")
    raw = ENV.raw.model_copy(update={"eraser": None})
    without = replace(cloud, env=ENV.model_copy(update={"raw": raw}))
    cloud.workspace.secrets.list_secrets.return_value = [Found(key=name) for name in secret_names(without.env)]
    (found,) = (check for check in diagnose(without) if check.name == "Secrets")
    assert (found.verdict, found.finding) == (
        "ok",
        "the scope retailflow-keyvault has all 5 that jobs read; without raw.eraser nobody can be erased",
    )
    assert "lacks raw-eraser-client-id, raw-eraser-client-secret, raw-eraser-tenant-id" in broken(cloud)["Secrets"]


def test_a_role_that_has_too_little_or_too_much_is_named(cloud):
    def given(kind: str, full_name: str) -> Found:
        answer = assignments(kind, full_name)
        for assigned in answer.privilege_assignments:
            if (full_name, assigned.principal) == ("retailflow_dev.gold", "retailflow_dev_analytics"):
                assigned.privileges = [Privilege.USE_SCHEMA, Privilege.MODIFY]
        return answer

    cloud.workspace.grants.get.side_effect = given
    problem = "analytics lacks SELECT on retailflow_dev.gold; analytics has MODIFY on retailflow_dev.gold"
    assert broken(cloud) == {"Grants": problem}


def test_a_schema_without_masks_is_named_with_the_fix(cloud):
    cloud.workspace.policies.list_policies.side_effect = lambda kind, name: (
        [] if name == "retailflow_dev.silver" else [Found(name="retailflow_mask")]
    )
    (check,) = (check for check in diagnose(cloud) if check.verdict != "ok")
    assert check.finding == "no policy retailflow_mask on silver"
    assert "databricks bundle run retailflow_govern --target dev" in check.fix


def test_columns_whose_tag_is_not_that_of_their_contract_are_named_with_the_fix(cloud):
    rows = [row for row in tagged_columns() if not row[0].startswith("quarantine.")]  # those are not there yet
    rows.remove(["silver.customers", "email", "restricted"])
    rows.remove(["silver.customers", "phone", "restricted"])
    rows += [["silver.customers", "email", "public"], ["silver.customers", "phone", None], ["silver.other", "x", None]]
    cloud.workspace.statement_execution.execute_statement.return_value = answer(rows)
    (check,) = (check for check in diagnose(cloud) if check.verdict != "ok")
    assert check.finding == (
        "silver.customers.email is tagged public, not restricted; "
        "silver.customers.phone is tagged nothing, not restricted"
    )
    assert "UNSET TBLPROPERTIES ('retailflow.tagged')" in check.fix


def test_a_service_that_does_not_answer_is_reported_and_the_other_checks_still_run(cloud):
    cloud.raw.get_paths.side_effect = HttpResponseError("This request is not authorized\nRequestId:1")
    cloud.workspace.current_user.me.side_effect = PermissionDenied("no such token")
    cloud.workspace.schemas.list.side_effect = TimeoutError("Timed out after 0:00:10")
    cloud.workspace.secrets.list_secrets.side_effect = NotFound("Scope does not exist")
    found = broken(cloud)
    assert found == {
        "Sign-in": "PermissionDenied: no such token",
        "Schemas": "TimeoutError: Timed out after 0:00:10",
        "RAW": "HttpResponseError: This request is not authorized",
        "Secrets": "NotFound: Scope does not exist",
    }


def test_raw_is_ready_before_the_first_delivery(cloud):
    cloud.raw.get_paths.return_value = [Found(name="orders")]
    raw = next(check for check in diagnose(cloud) if check.name == "RAW")
    assert (raw.verdict, raw.finding) == ("ok", f"{ENV.raw.root} answers; 1 of {len(feeds())} feeds have delivered")


def test_the_local_environment_is_not_in_azure():
    for by in (connect, raw_store):
        with pytest.raises(WorkspaceError, match="local is not in Azure"):
            by(load_environment("local"))


def test_raw_is_the_container_of_the_environment():
    store = raw_store(ENV)
    assert store._container.url == "https://retailflowdev.blob.core.windows.net/raw"
    assert store.root == "abfss://raw@retailflowdev.dfs.core.windows.net"


def test_the_command_ends_with_an_error_where_something_is_missing(cloud, monkeypatch):
    monkeypatch.setattr("retailflow_delivery.cloud.connect", lambda env: cloud)
    assert CliRunner().invoke(cli.app, ["doctor", "--env", "dev"]).exit_code == 0
    cloud.raw.get_paths.side_effect = HttpResponseError("This request is not authorized")
    refused = CliRunner().invoke(cli.app, ["doctor", "--env", "dev"])
    assert refused.exit_code == 1
    assert "You need Storage Blob Data Reader" in refused.output
