"""Connections from Key Vault, by the settings in docs/OBSERVABILITY.md. Azure's client is a stand-in."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend
from azure.core.exceptions import ResourceNotFoundError

DOC = (Path(__file__).parents[2] / "docs" / "OBSERVABILITY.md").read_text()
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


def test_the_documented_settings_find_connections_and_ask_for_nothing_else():
    settings = json.loads(re.search(r"BACKEND_KWARGS='(.+)'", DOC)[1])
    backend, asked = AzureKeyVaultBackend(**settings), []
    backend.client = vault(asked)
    connection = backend.get_connection("databricks_default")
    assert (connection.conn_type, connection.host, connection.password) == ("databricks", "adb-1", "s")
    assert backend.get_connection("smtp_default") is None
    assert backend.get_variable("retailflow_watch") is None
    assert asked == ["airflow-connections-databricks-default", "airflow-connections-smtp-default"]
