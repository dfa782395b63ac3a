"""Airflow in an environment as docs/DEPLOYMENT.md and include/helm/airflow-values.yaml describe it.

Airflow, its providers, azure-identity and the database drivers are real. Only Azure and Databricks are missing.
"""

import asyncio
import inspect
import json
import os
import re
import smtplib
import subprocess
import sys
import tomllib
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import azure.identity
import azure.identity.aio
import psycopg2.extensions
import pytest
import requests
import yaml
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.microsoft.azure.hooks import wasb
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.settings import _get_async_conn_uri_from_sync
from azure.core.credentials import AccessToken
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/DEPLOYMENT.md").read_text()
CHAPTER = re.search(r"^## Airflow in an environment$.*?(?=^## )", GUIDE, re.DOTALL | re.MULTILINE)[0]
FILE = (ROOT / "include/helm/airflow-values.yaml").read_text()
VALUES = yaml.safe_load(FILE)
ENV = {variable["name"]: variable["value"] for variable in VALUES["env"]}
APPLICATION = {"client_id": "client-1", "client_secret": "secret-1", "tenant_id": "tenant-1"}
LATER = 2**40


def documented(pattern: str) -> str:
    """Return a value of the guide, with something in each place that the reader fills in."""
    (found,) = re.findall(pattern, CHAPTER, re.MULTILINE)
    places = {"<client id>": "client-1", "<secret>": "secret-1", "<tenant id>": "tenant-1"}
    return re.sub("<[a-z ]+>", lambda place: places.get(place[0], place[0][1]), found)


DATABRICKS = documented(r"^\| `airflow-connections-databricks-default` \| `(.+)` \|$")
WASB = documented(r"^\| `airflow-connections-wasb-default` \| `(.+)` \|$")
WASB_WITH_SECRET = documented(r'^  `(\{"conn_type": "wasb".+\})`\.$')
SMTP = documented(r"^\| `airflow-connections-smtp-default` \| `(.+)` \|$")

# The connections


def recording(kind: type, asked: list[tuple]) -> type:
    """Return a credential class of azure-identity, sync or async, that gives a token and records each request."""

    class Recording(kind):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.application = inspect.signature(kind).bind(*given, **named).arguments

        def get_token(self, *scopes, **_):
            asked.append((self.application, *scopes))
            token = AccessToken("a token of Entra", LATER)
            return asyncio.sleep(0, token) if hasattr(kind, "__aenter__") else token

    return Recording


@pytest.fixture
def entra(monkeypatch) -> list[tuple]:
    """The requests to the credentials of an application: which application asked, and for which scope."""
    asked: list[tuple] = []
    credential = recording(azure.identity.ClientSecretCredential, asked)
    async_credential = recording(azure.identity.aio.ClientSecretCredential, asked)
    monkeypatch.setattr(azure.identity, "ClientSecretCredential", credential)
    monkeypatch.setattr(azure.identity.aio, "ClientSecretCredential", async_credential)
    monkeypatch.setattr(wasb, "ClientSecretCredential", credential)
    monkeypatch.setattr(wasb, "AsyncClientSecretCredential", async_credential)
    return asked


async def async_token(session: SimpleNamespace | None = None) -> str | None:
    """Return the token as the triggerer gets it."""
    hook = DatabricksHook()
    hook._session = session
    await hook._a_cache_databricks_conn()
    return await hook._a_get_token()


def test_databricks_takes_the_secret_that_entra_issued(monkeypatch, entra):
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", DATABRICKS)
    assert DatabricksHook()._get_token() == "a token of Entra"
    assert asyncio.run(async_token()) == "a token of Entra"
    assert entra == [(APPLICATION, "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default")] * 2
    assert DatabricksHook()._endpoint_url("api") == "https://adb-1234567890123456.7.azuredatabricks.net/api"


def test_databricks_takes_the_secret_that_databricks_issued(monkeypatch, entra):
    extra = json.loads("{" + documented(r'`("extra": \{"service_principal_oauth": true\})`') + "}")
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(json.loads(DATABRICKS) | extra))
    answer, asked = {"access_token": "a token of Databricks", "token_type": "Bearer", "expires_in": 3600}, []

    def post(url, auth, data, **_):
        asked.append((url, auth.username, auth.password, data))
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: answer)

    @asynccontextmanager
    async def async_post(url, auth, data, **_):
        asked.append((url, auth.login, auth.password, data))
        yield SimpleNamespace(raise_for_status=lambda: None, json=lambda: asyncio.sleep(0, answer))

    monkeypatch.setattr(requests, "post", post)
    assert DatabricksHook()._get_token() == "a token of Databricks"
    assert asyncio.run(async_token(SimpleNamespace(post=async_post))) == "a token of Databricks"
    url = "https://adb-1234567890123456.7.azuredatabricks.net/oidc/v1/token"
    assert asked == [(url, "client-1", "secret-1", "grant_type=client_credentials&scope=all-apis")] * 2
    assert entra == []


def test_without_the_extra_the_hook_has_no_token(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(json.loads(DATABRICKS) | {"extra": {}}))
    assert DatabricksHook()._get_token() is None


def test_dbt_signs_in_with_the_same_connection(monkeypatch, dags_in):
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", DATABRICKS)
    mapping = dags_in("dev")["retailflow_marts"].tasks[0].profile_config.profile_mapping
    assert mapping.can_claim_connection()
    assert mapping.profile["host"] == "adb-1234567890123456.7.azuredatabricks.net"
    assert {mapping.env_vars[mapping.get_env_var_name(name)] for name in ("client_id", "client_secret")} == {
        "client-1",
        "secret-1",
    }


def clients() -> list:
    """Return the client of the sensor's first look and the client of the triggerer."""

    async def async_client():
        client = await wasb.WasbAsyncHook().get_async_conn()
        await client.close()
        return client

    return [wasb.WasbHook().get_conn(), asyncio.run(async_client())]


def test_storage_takes_the_workload_identity_of_a_pod(monkeypatch, tmp_path, entra):
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", WASB)
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):  # as Azure's webhook sets them in the pod
        monkeypatch.setenv(name, "of-the-pod")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    for client in clients():
        assert client.url == "https://retailflowdev.blob.core.windows.net/"
        assert "WorkloadIdentityCredential" in {type(one).__name__ for one in client.credential.credentials}
    assert entra == []


def test_storage_takes_the_secret_of_the_application(monkeypatch, entra):
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", WASB_WITH_SECRET)
    for client in clients():
        assert client.url == "https://retailflowdev.blob.core.windows.net/"
        assert client.credential.application == APPLICATION


def test_mail_is_encrypted_before_the_password_is_sent(monkeypatch):
    said = []

    class Server:
        def __init__(self, host, port, **_):
            said.append(f"connect {host}:{port}")

        def __getattr__(self, name):
            return lambda *given, **_: said.append(" ".join([name, *given]))

    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", SMTP)
    monkeypatch.setattr(smtplib, "SMTP", Server)
    with SmtpHook() as hook:
        assert hook.from_email == "retailflow@retailflow.example"
    assert said == ["connect smtp.retailflow.example:587", "starttls", "ehlo", "login u p", "close"]


# The settings


def test_airflow_has_the_classes_that_the_settings_name(tmp_path):
    """It needs its own process, because the auth manager imports a web framework."""
    script = (
        "from airflow.api_fastapi.app import get_auth_manager_cls\n"
        "from airflow.config_templates.airflow_local_settings import REMOTE_TASK_LOG as log\n"
        "from airflow.configuration import get_custom_secret_backend\n"
        "from airflow.executors.executor_loader import ExecutorLoader\n"
        "print(get_auth_manager_cls().__name__, ExecutorLoader.import_default_executor_cls()[0].__name__,"
        " type(get_custom_secret_backend()).__name__, type(log).__name__, log.wasb_container, log.remote_base)"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    variables |= {**ENV, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__EXECUTOR": VALUES["executor"]}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=False)
    classes = "FabAuthManager KubernetesExecutor AzureKeyVaultBackend WasbRemoteLogIO airflow-logs logs"
    assert done.stdout.splitlines()[-1:] == [classes], done.stderr


def test_both_drivers_take_the_connection_string_of_the_database():
    connection = documented(r"`(postgresql\+psycopg2://[^`]+)`")
    for url in map(make_url, (connection, _get_async_conn_uri_from_sync(connection))):
        given, named = url.get_dialect()().create_connect_args(url)
        if url.drivername == "postgresql+psycopg2":
            psycopg2.extensions.make_dsn(*given, **named)
        else:
            inspect.signature(asyncpg.connect).bind(*given, **named)


def test_the_guide_has_the_variables_of_the_values_file():
    table = CHAPTER.partition("### Settings")[2].partition("| variable set by the chart |")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    documented_names = re.findall(r"`([A-Z_]+)`", " ".join(rows))
    assert sorted(documented_names) == sorted([*ENV, *(secret["envName"] for secret in VALUES["secret"])])
    assert (ENV["RETAILFLOW_ENV"], ENV["AIRFLOW__API__BASE_URL"]) == ("dev", f"https://{host()['name']}")


def host() -> dict:
    (found,) = VALUES["ingress"]["apiServer"]["hosts"]
    return found


def test_sign_in_finds_its_variables():
    read = re.findall(r"os\.environ\[['\"](\w+)['\"]\]", (ROOT / "include/image/webserver_config.py").read_text())
    assert read and set(read) <= {*ENV, *(secret["envName"] for secret in VALUES["secret"])}
    assert f"https://{host()['name']}/auth/oauth-authorized/azure" in CHAPTER


# The values file


def test_the_values_are_the_same_to_readers_of_yaml_1_1_and_1_2():
    """Helm reads 1.2, PyYAML 1.1. Both must read unquoted words as the same strings, booleans or whole numbers."""
    only_in_1_2 = r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    plain = {token.value for token in yaml.scan(FILE) if isinstance(token, yaml.ScalarToken) and token.plain}
    tags = {text: yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False)) for text in plain}
    no_strings = {text for text in plain if not tags[text].endswith(":str") or re.fullmatch(only_in_1_2, text)}
    assert {text for text in no_strings if not re.fullmatch("true|false|[1-9][0-9]*", text)} == set()


def test_all_pods_run_the_image_that_the_workflows_push():
    """`images` would give some pods another image: the pods of tasks take the default repository and tag."""
    name = VALUES["defaultAirflowRepository"].rpartition("/")[2]
    assert f'"$REGISTRY/{name}:$GITHUB_SHA"' in (ROOT / ".github/workflows/deploy-dev.yml").read_text()
    assert not {"images", "defaultAirflowTag"} & VALUES.keys()
    assert "--set-string defaultAirflowTag=$COMMIT" in CHAPTER
    assert f'"apache-airflow[statsd]=={VALUES["airflowVersion"]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_secret_of_the_cluster_has_the_keys_that_the_chart_reads():
    made = re.findall(r"--from-(?:file|literal)=([a-z-]+)=", CHAPTER)
    own = [secret["secretKey"] for secret in VALUES["secret"]]
    assert sorted(made) == sorted(["connection", "fernet-key", "api-secret-key", "jwt-secret", *own])
    names = {VALUES[key] for key in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")}
    names |= {VALUES["data"]["metadataSecretName"], *(secret["secretName"] for secret in VALUES["secret"])}
    (name,) = names
    assert f"kubectl create secret generic {name} " in CHAPTER


def test_each_service_account_is_a_federated_credential():
    components = [VALUES[part] for part in ("apiServer", "scheduler", "dagProcessor", "triggerer")]
    accounts = [part["serviceAccount"] for part in (*components, VALUES["workers"]["kubernetes"])]
    (loop,) = re.findall(r"for part in ([a-z -]+); do", CHAPTER)
    assert [account["name"] for account in accounts] == [f"airflow-{part}" for part in loop.split()]
    assert all("azure.workload.identity/client-id" in account["annotations"] for account in accounts)
    assert VALUES["labels"] == {"azure.workload.identity/use": "true"}


def test_no_container_needs_a_script_that_our_image_does_not_have():
    components = [VALUES[part] for part in ("scheduler", "dagProcessor", "triggerer")]
    assert [part["logGroomerSidecar"] for part in components] == [{"enabled": False}] * 3


# The image


def test_requirements_txt_is_what_the_lock_has_for_airflow():
    lock = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    needed, waiting = set(), list(lock["retailflow"]["dev-dependencies"]["airflow"])
    while waiting:
        one = waiting.pop()
        package = lock[one["name"]]
        for extra in {"", *one.get("extra", ())} - {extra for name, extra in needed if name == one["name"]}:
            needed.add((one["name"], extra))
            waiting += package["optional-dependencies"][extra] if extra else package.get("dependencies", ())
    pinned = dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    ours = {"retailflow", "retailflow-airflow"}  # the image builds and installs them itself
    assert pinned == {name: lock[name]["version"] for name, _ in needed if name not in ours}
