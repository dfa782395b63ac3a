"""The emulator allows each identity what its role in Azure allows."""

import re

from retailflow_local.azurite import DATA_ACTIONS
from retailflow_local.workspace import REPOSITORY

ACCESS = (REPOSITORY / "terraform" / "modules" / "storage" / "access.tf").read_text()
OWN_ROLES = {"raw_writer": "ingestion", "raw_eraser": "eraser"}


def resources(kind: str) -> dict[str, str]:
    return dict(re.findall(rf'^resource "{kind}" "(\w+)" {{(.*?)^}}', ACCESS, re.DOTALL | re.MULTILINE))


def test_the_emulator_allows_what_the_roles_of_terraform_allow():
    found = {
        OWN_ROLES[name]: set(re.findall(r'"Microsoft\.Storage/storageAccounts/[^"]*/blobs/([^"]+)"', body))
        for name, body in resources("azurerm_role_definition").items()
    }
    assert found == {role: set(DATA_ACTIONS[role]) for role in OWN_ROLES.values()}


def test_airflow_has_the_role_of_azure_that_only_reads():
    assert 'role_definition_name = "Storage Blob Data Reader"' in resources("azurerm_role_assignment")["airflow"]
    assert DATA_ACTIONS["airflow"] == ("read",)
