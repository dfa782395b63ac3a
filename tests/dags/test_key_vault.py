"""Connections from Airflow's Key Vault, with the documented settings. Azure's client is a stand-in."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import yaml
from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend
from azure.core.exceptions import ResourceNotFoundError

ROOT = Path(__file__).parents[2]
HELD = {
    "airflow-connections-databricks-default": json.dumps({"conn_type": "databricks", "host": "adb-1", "password": "s"})
}


def vault(asked: list[str]) -> SimpleNamespace:
    def get_secret(name: str) -> SimpleNamespace:
        asked.append(name)
        if name not in HELD:
            raise ResourceNotFoundError(name)
        return SimpleNamespace(value=HELD[name])

    return SimpleNamespace(get_secret=get_secret)


def test_the_settings_find_the_documented_secrets_and_ask_for_nothing_else():
    values = yaml.safe_load((ROOT / "include/helm/airflow-values.yaml").read_text())
    (settings,) = (one["value"] for one in values["env"] if one["name"] == "AIRFLOW__SECRETS__BACKEND_KWARGS")
    backend, asked = AzureKeyVaultBackend(**json.loads(settings)), []
    backend.client = vault(asked)
    connection = backend.get_connection("databricks_default")
    assert (connection.conn_type, connection.host, connection.password) == ("databricks", "adb-1", "s")
    assert backend.get_connection("wasb_default") is backend.get_connection("smtp_default") is None
    assert backend.get_variable("retailflow_watch") is None
    guide = (ROOT / "docs/DEPLOYMENT.md").read_text()
    assert asked == re.findall(r"^\| `(airflow-connections-[a-z-]+)` \|", guide, re.MULTILINE)
    name = re.fullmatch(r"https://([a-z-]+)\.vault\.azure\.net/", backend.vault_url)[1]
    assert f"az keyvault secret set --vault-name {name} " in guide
