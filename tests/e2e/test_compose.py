"""docker-compose.yaml without containers: its commands and health checks, in its order, on a copy of the project.

It does not show that the images build and that the containers share a network. No image registry is available here.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from graphlib import TopologicalSorter

import pytest
import yaml

from retailflow_local import postgres
from retailflow_local.workspace import PROCESSES, REPOSITORY, Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(1200)]

SERVICES = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())["services"]
ORDER = TopologicalSorter({name: list(one.get("depends_on", ())) for name, one in SERVICES.items()}).static_order()


def test_there_is_a_service_for_each_process():
    assert {service["command"][1] for service in SERVICES.values() if service["command"][0] == "run"} == set(PROCESSES)


@pytest.mark.skipif(
    postgres.server() is None, reason="PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)"
)
def test_the_services_become_healthy_in_their_order_and_stop_on_a_signal(tmp_path):
    for part in ("dags", "include", "local", "plugins", "spark_jobs", "tests"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    for part in ("pyproject.toml", "uv.lock", "README.md"):  # the release of the jobs is built from them
        shutil.copy(REPOSITORY / part, tmp_path)
    python_path = os.pathsep.join(str(tmp_path / part) for part in ("include", "spark_jobs", "local"))
    shell = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": python_path}}
    retailflow = (sys.executable, "-m", "retailflow_local.cli")  # what ./retailflow hands over to
    space, running = Workspace(tmp_path / ".local"), {}
    try:
        for name in ORDER:
            service = SERVICES[name]
            if service["command"] == ["furnish"]:
                subprocess.run([*retailflow, "furnish"], check=True, **shell)
            elif service["command"][0] == "run":
                running[name] = subprocess.Popen([*retailflow, *service["command"]], start_new_session=True, **shell)
                probe = [*retailflow, *service["healthcheck"]["test"][2:]]
                deadline = time.monotonic() + 240
                while subprocess.run(probe, check=False, **shell).returncode:
                    assert running[name].poll() is None and time.monotonic() < deadline, name
                    time.sleep(1)
        client = space.airflow_client()
        client.wait_for_dag("retailflow_reaper")
        run_id = client.trigger("retailflow_reaper", datetime.now(UTC))
        while (state := client.dag_run("retailflow_reaper", run_id)["state"]) not in ("success", "failed"):
            time.sleep(1)
        assert state == "success"
        for name in reversed(running):
            running[name].send_signal(getattr(signal, SERVICES[name].get("stop_signal", "SIGTERM")))
            running[name].wait(30)
        assert space.processes.members(PROCESSES) == []
    finally:
        space.stop()
        shutil.rmtree(postgres.folder(space.root, space.secrets.postgres_password), ignore_errors=True)
