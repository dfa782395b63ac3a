"""Alerts across restarts: Airflow's four processes and a real SMTP server. No test here needs Databricks."""

import os
import shutil
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retailflow.contracts import feeds, gold_tables
from retailflow_local import airflow
from retailflow_local.mail_sink.mailbox import Mailbox, body
from retailflow_local.mail_sink.smtp import serving
from retailflow_local.processes import HOST, Processes, any_free_port
from retailflow_local.state import PREFERRED_PORTS, Secrets, release_file
from retailflow_local.workspace import inherited

ROOT = Path(__file__).parents[2]
DAY = "2026-01-15"
SLEEPER = """
import time
from airflow.sdk import DAG, task
from retailflow.environments import load_environment
from retailflow_airflow.defaults import defaults

with DAG("sleeper", schedule=None, **defaults(load_environment())):
    @task(retries=0)
    def sleep():
        time.sleep(600)
    sleep()
"""
pytestmark = [pytest.mark.full, pytest.mark.e2e]


class Stack:
    """Airflow with a copy of our DAGs, and the messages that it sent."""

    def __init__(self, root: Path) -> None:
        ports, own = {service: any_free_port() for service in PREFERRED_PORTS}, Secrets.generate()
        self.dags, self.mailbox, self.port = root / "dags", Mailbox(root / "mail"), ports["smtp"]
        shutil.copytree(ROOT / "dags", self.dags, ignore=shutil.ignore_patterns("__pycache__"))
        self.environment = inherited() | airflow.environment(root, ROOT, ports, own, "sqlite")
        self.environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            # Else Airflow writes a changed DAG at most every 30 s, and its servers read it as late.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "RETAILFLOW_ENV": "local",
        }
        release_file(root).write_text("0.1.0+gtest\n")
        self.processes = Processes(root)
        log = self.processes.log("database")
        airflow.prepare(root, own, self.environment, "sqlite", ports["postgres"], log, lambda *_: None)
        self._ports = ports
        for component in airflow.COMPONENTS:
            self.start(component)
        self.client = airflow.AirflowClient(f"http://{HOST}:{ports['airflow']}", own.airflow_password)

    def start(self, component):
        self.processes.start(airflow.process_name(component), airflow.component_command(component), self.environment)
        self.processes.wait(airflow.health(component, self._ports["airflow"], self.processes.find))

    def kill(self, component):
        """Kill a component and all its children, without a chance to tidy up."""
        for process in self.processes.members([airflow.process_name(component)]):
            os.kill(process.pid, signal.SIGKILL)

    def kill_worker(self):
        """Kill the worker and its task, but not the scheduler that started them."""
        for process in self.processes.find("airflow-scheduler").children(recursive=True):
            os.kill(process.pid, signal.SIGKILL)

    def kill_task(self):
        """Kill only the process of the task, as the kernel does when memory is short. Its supervisor lives on."""
        for worker in self.processes.find("airflow-scheduler").children():
            for task in worker.children(recursive=True):
                os.kill(task.pid, signal.SIGKILL)

    def call(self, method, path, **body):
        answer = self.client._session.request(method, f"{self.client._url}/api/v2/{path}", json=body, timeout=60)
        return self.client._checked(answer)

    def run(self, dag_id, **conf):
        """Trigger a run and wait for its end. Return the subjects that were mailed meanwhile."""
        seen = len(self.mailbox.numbers())
        run_id = self.trigger(dag_id, **conf)
        self.until(lambda: self.client.dag_run(dag_id, run_id)["state"] == "success")
        return self.subjects()[seen:]

    def trigger(self, dag_id, **conf):
        self.client.wait_for_dag(dag_id)
        return self.client.trigger(dag_id, datetime.now(UTC), conf)

    def edit(self, name, old, new):
        """Change a DAG file and wait until Airflow has read it."""
        path = self.dags / f"{name}.py"
        text = path.read_text()
        assert old in text
        mark = f"Edited {time.monotonic()}"
        path.write_text(text.replace(old, new).replace('description="', f'description="{mark}. ', 1))
        self.until(lambda: mark in self.call("GET", f"dags/{name}")["description"])

    def subjects(self):
        return [message["Subject"].removeprefix("[retailflow local] ") for message in self.mailbox.messages()]

    @staticmethod
    def until(condition, seconds=150):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.5)


@contextmanager
def stack_in(root):
    stack = None
    try:
        stack = Stack(root)
        with serving(stack.mailbox, HOST, stack.port):
            yield stack
    finally:
        Processes(root).stop([airflow.process_name(component) for component in reversed(airflow.COMPONENTS)])


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with stack_in(tmp_path_factory.mktemp("alerts")) as started:
        yield started


def test_a_triggerer_restart_and_a_dag_edit_repeat_no_mail_and_lose_none(stack):
    others = len(feeds()) + len(gold_tables()) - 1
    missed = [f"MISSED silver.inventory {DAY}, due 03:30 UTC (and {others} more)"]
    assert stack.run("retailflow_watch", ingestion_date=DAY) == missed
    stack.kill("triggerer")
    stack.edit("retailflow_watch", "Sends mails about", "Sends e-mails about")
    stack.start("triggerer")
    assert stack.run("retailflow_watch", ingestion_date=DAY) == []

    stack.client.wait_for_dag("retailflow_daily")
    stack.call("PATCH", "dags/retailflow_daily", is_paused=True)  # the test sets the states of its tasks
    run_id = stack.client.trigger("retailflow_daily", datetime.fromisoformat(f"{DAY}T02:00+00:00"))
    tasks = [one["task_id"] for one in stack.client.task_instances("retailflow_daily", run_id)]
    for task in tasks:
        path = f"dags/retailflow_daily/dagRuns/{run_id.replace('+', '%2B')}/taskInstances/{task}"
        stack.call("PATCH", path, new_state="success")
    assert stack.run("retailflow_watch", ingestion_date=DAY) == [
        f"RECOVERED silver.inventory {DAY} (and {others} more)"
    ]
    assert stack.run("retailflow_watch", ingestion_date=DAY) == []


def test_a_watch_that_does_not_end_is_reported_once_though_the_triggerer_died_and_its_dag_was_edited(stack):
    stack.edit("retailflow_watch", "own_deadline(env)", "own_deadline(env, timedelta(seconds=15))")
    seen = len(stack.mailbox.numbers())
    stack.call("PATCH", "pools/default_pool?update_mask=slots", name="default_pool", slots=0, include_deferred=False)
    run_id = stack.trigger("retailflow_watch", ingestion_date="2026-01-14")
    stack.kill("triggerer")
    stack.edit("retailflow_watch", "seconds=15", "seconds=900")
    time.sleep(20)
    assert stack.subjects()[seen:] == []
    stack.start("triggerer")
    stack.until(lambda: stack.subjects()[seen:])
    stack.call("PATCH", "pools/default_pool?update_mask=slots", name="default_pool", slots=128, include_deferred=False)
    stack.until(lambda: stack.client.dag_run("retailflow_watch", run_id)["state"] == "success")
    received, late = stack.subjects()[seen:]
    assert received == "MISSED The watch itself has not ended"
    assert late.startswith("MISSED silver.inventory 2026-01-14")


def test_a_task_that_is_killed_alone_is_mailed_by_a_look_of_the_watch_once(stack):
    (stack.dags / "sleeper.py").write_text(SLEEPER)
    run_id = stack.trigger("sleeper")
    stack.until(lambda: stack.client.task_instances("sleeper", run_id)[0]["state"] == "running")
    time.sleep(2)
    stack.kill_task()
    stack.until(lambda: stack.client.dag_run("sleeper", run_id)["state"] == "failed")
    stack.until(lambda: any("retailflow_failed" in one["key"] for one in stack.call("GET", "variables")["variables"]))
    looks = [stack.run("retailflow_watch", ingestion_date="2026-01-13") for _ in range(2)]
    assert [[subject for subject in found if "sleeper" in subject] for found in looks] == [["FAILED sleeper sleep"], []]


def test_a_task_whose_worker_dies_sends_one_mail(stack):
    """This test comes last: Airflow's executor starts no new worker in place of a killed one."""
    (stack.dags / "sleeper.py").write_text(SLEEPER)
    seen = len(stack.mailbox.numbers())
    run_id = stack.trigger("sleeper")
    stack.until(lambda: stack.client.task_instances("sleeper", run_id)[0]["state"] == "running")
    stack.kill_worker()
    stack.until(lambda: stack.subjects()[seen:])
    time.sleep(10)
    received = [(message["Subject"], message["Message-ID"]) for message in stack.mailbox.messages()[seen:]]
    assert [subject for subject, _ in received] == ["[retailflow local] FAILED sleeper sleep"], received
    assert "the worker was lost" in body(stack.mailbox.messages()[-1], "plain")
