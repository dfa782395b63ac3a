"""Sign-in by Entra ID and the rights of each role, in an API server with the auth manager of an environment."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml

from .conftest import PASSWORD, ROOT, serving
from .fake_run_log import LAST

pytestmark = pytest.mark.timeout(300)
TENANT = "00000000-0000-0000-0000-000000000001"
VALUES = yaml.safe_load((ROOT / "include/helm/airflow-values.yaml").read_text())
RECORDS = f"/quarantine/payments/{LAST}/records"


@pytest.fixture(scope="module")
def fab(tmp_path_factory):
    """The server, and the roles of the people that have signed in."""
    names = ("AIRFLOW__CORE__AUTH_MANAGER", "AIRFLOW__FAB__CUSTOM_ROLES", "AIRFLOW__FAB__ENABLE_PROXY_FIX")
    settings = {one["name"]: one["value"] for one in VALUES["env"] if one["name"] in names} | {
        "AIRFLOW__FAB__CONFIG_FILE": str(ROOT / "include/image/webserver_config.py"),
        "RETAILFLOW_ENTRA_CLIENT_ID": "sign-in",
        "RETAILFLOW_ENTRA_CLIENT_SECRET": "secret",
        "RETAILFLOW_ENTRA_TENANT_ID": TENANT,
    }
    with serving(tmp_path_factory.mktemp("fab"), 400, settings) as server:
        script = str(Path(__file__).with_name("entra.py"))
        signed_in = subprocess.run(
            [sys.executable, script, PASSWORD], env=server.environment, capture_output=True, text=True, check=False
        )
        assert signed_in.returncode == 0, signed_in.stderr
        yield server, json.loads(signed_in.stdout.splitlines()[-1])


def test_a_person_has_the_roles_that_the_app_role_names(fab):
    assert fab[1] == {
        "viewer": ["Plugins", "Public", "Viewer"],
        "oncall": ["Plugins", "Public", "User"],
        "admin": ["Admin", "Public"],
        "nobody": ["Public"],
    }


@pytest.mark.parametrize(
    ("person", "page", "records"),
    [(None, 401, 401), ("nobody", 403, 403), ("viewer", 200, 403), ("oncall", 200, 200), ("admin", 200, 200)],
)
def test_the_page_is_for_the_same_people_as_on_a_laptop(fab, person, page, records):
    server, _ = fab
    assert (server.get("/", person).status_code, server.get(RECORDS, person).status_code) == (page, records)


@pytest.mark.parametrize("person", ["viewer", "oncall", "admin"])
def test_the_page_is_in_the_navigation_of_everybody_who_may_see_it(fab, person):
    server, _ = fab
    headers = {"Authorization": f"Bearer {server.token(person)}"}
    answer = requests.get(f"{server.url}/api/v2/plugins", headers=headers, timeout=20)
    assert answer.status_code == 200
    views = [view["name"] for plugin in answer.json()["plugins"] for view in plugin["external_views"]]
    assert views == ["RetailFlow"]


def test_sign_in_leads_to_entra_and_back_to_the_registered_address(fab):
    server, _ = fab
    host = VALUES["ingress"]["apiServer"]["hosts"][0]["name"]
    proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": host, "X-Forwarded-Port": "443"}
    answer = requests.get(f"{server.url}/auth/login/azure", headers=proxy, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    there = urlsplit(answer.headers["Location"])
    assert (there.netloc, there.path) == ("login.microsoftonline.com", f"/{TENANT}/oauth2/v2.0/authorize")
    asked = parse_qs(there.query)
    assert (asked["client_id"], asked["response_type"]) == (["sign-in"], ["code"])
    assert asked["redirect_uri"] == [f"https://{host}/auth/oauth-authorized/azure"]
