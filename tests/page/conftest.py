"""An Airflow API server with the plugin and a fake warehouse, and a browser that looks at it. No Spark."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
import requests
from chromium import launched

ROOT = Path(__file__).parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="retailflow-airflow-")
os.environ.setdefault("AIRFLOW_HOME", _HOME.name)  # Airflow reads it when it is first imported
PASSWORD = "page-test"
_FLAGS = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
          "--disable-sync")  # fmt: skip


@dataclass
class Server:
    """An API server with the users `oncall`, who may change runs, and `viewer`, who may not."""

    url: str
    database: Path
    environment: dict[str, str]

    def token(self, user: str) -> str:
        answer = requests.post(f"{self.url}/auth/token", json={"username": user, "password": PASSWORD}, timeout=20)
        answer.raise_for_status()
        return answer.json()["access_token"]

    def get(self, path: str, user: str | None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        return requests.get(f"{self.url}/retailflow{path}", headers=headers, timeout=20)

    def settled(self, path: str, user: str) -> requests.Response:
        """Return the page once the run log has been read, or the read has failed."""
        deadline = time.monotonic() + 30
        while "Refresh" in (answer := self.get(path, user)).headers:
            assert time.monotonic() < deadline, "the run log was not read"
            time.sleep(0.2)
        return answer


@contextmanager
def serving(home: Path, days: int, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"oncall": PASSWORD, "viewer": PASSWORD}))
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": "of-this-test-only-" * 4,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "oncall:op,viewer:viewer",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "RETAILFLOW_ENV": "prod",
        "RETAILFLOW_RELEASE": "0.1.0+gtest",
        "RETAILFLOW_REPORT": str(home / "report.html"),
        **more,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | settings
    if not (home / "airflow.db").exists():
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, check=True, capture_output=True, env=environment)
    script = str(Path(__file__).with_name("serve.py"))
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, script, str(port), str(days)], env=environment, stdout=log, stderr=log
        )
    server = Server(f"http://127.0.0.1:{port}", home / "airflow.db", environment)
    try:
        deadline = time.monotonic() + 90
        while not _answers(server.url):
            assert process.poll() is None and time.monotonic() < deadline, (home / "server.log").read_text()[-3000:]
            time.sleep(0.3)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v2/version", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("airflow"), days=400) as running:
        yield running


@pytest.fixture(scope="module")  # a test elsewhere drives one of its own, and Playwright allows one at a time
def browser():
    with launched(*_FLAGS) as chromium:
        yield chromium


def signed_in(browser, server: Server, user: str, **settings):
    context = browser.new_context(viewport={"width": 1500, "height": 1000}, **settings)
    context.add_cookies([{"name": "_token", "value": server.token(user), "url": server.url}])
    return context


@pytest.fixture
def visit(browser, server):
    """`visit(path, user="oncall", **context)`: the page as a user sees it. Errors on its console fail the test."""
    contexts, faults = [], []

    def go(path: str, user: str = "oncall", **settings):
        context = signed_in(browser, server, user, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(server.url + path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert faults == []
