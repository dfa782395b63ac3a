"""The local Databricks REST server as a real process, tested with the real clients. No Spark is needed."""

import asyncio
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.jobs import (
    JobAccessControlRequest,
    JobEnvironment,
    JobsAPI,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
)

from retailflow_local.jobs_api.store import Store
from retailflow_local.jobs_api.submission import RUN_KEYS, TASK_KEYS, AccessControl, Submission

pytestmark = pytest.mark.timeout(120)
TOKEN = "dapi-test-7c1d9e"
ENVIRONMENTS = [{"environment_key": "default", "spec": {"environment_version": "5"}}]
SECRET = "crm-value-93ab"
ROOT = Path(__file__).parents[2]
FOREVER = "import time\nwhile True: time.sleep(1)"


@dataclass
class Server:
    """The server process and what a test needs to talk to it. Job scripts are written into `files`."""

    process: subprocess.Popen
    url: str
    files: Path
    state: Path

    def request(self, method: str, path: str, token: str | None = TOKEN, **arguments: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, timeout=20, **arguments)

    def task(self, code: str, *parameters: str, **settings: Any) -> dict[str, Any]:
        name = f"job_{len(list(self.files.iterdir()))}.py"
        (self.files / name).write_text(code)
        file = f"/Workspace/retailflow/{name}"
        task = {"task_key": "only", "spark_python_task": {"python_file": file, "parameters": list(parameters)}}
        # As our own submissions have it.
        return task | {"environment_key": "default", "disable_auto_optimization": True} | settings

    def submit(self, code: str, **run_settings: Any) -> int:
        payload = {"tasks": [self.task(code)], "environments": ENVIRONMENTS, **run_settings}
        response = self.request("POST", "/api/2.2/jobs/runs/submit", json=payload)
        assert response.status_code == 200, response.text
        return response.json()["run_id"]

    def run(self, run_id: int) -> dict[str, Any]:
        return self.request("GET", "/api/2.2/jobs/runs/get", params={"run_id": run_id}).json()

    def ended(self, run_id: int) -> dict[str, Any]:
        wait_until(lambda: self.run(run_id)["end_time"])
        return self.run(run_id)

    def output(self, run: dict[str, Any]) -> dict[str, Any]:
        parameters = {"run_id": run["tasks"][0]["run_id"]}
        return self.request("GET", "/api/2.2/jobs/runs/get-output", params=parameters).json()

    def printed(self, run_id: int) -> str:
        """Return what a running job has printed so far, once it has printed something."""
        run = self.run(run_id)
        wait_until(lambda: self.output(run)["logs"])
        return self.output(run)["logs"]


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, *options: str) -> tuple[subprocess.Popen, int]:
    port = free_port()
    command = [sys.executable, "-m", "retailflow_local.jobs_api", "--port", str(port), "--state", str(folder / "state")]
    secrets = folder / "secrets.json"
    secrets.touch(mode=0o600)
    secrets.write_text(json.dumps({"retailflow": {"crm_token": SECRET}}))
    environment = os.environ | {
        "RETAILFLOW_DATABRICKS_TOKEN": TOKEN,
        "RETAILFLOW_SECRETS_FILE": str(secrets),
    }
    (folder / "files").mkdir(exist_ok=True)
    arguments = ["--workspace-files", str(folder / "files"), "--preload", "", *options]
    return subprocess.Popen([*command, *arguments], env=environment, stderr=subprocess.PIPE, text=True), port


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    process, port = start(folder, "--faults", *options)
    server = Server(process, f"http://127.0.0.1:{port}", folder / "files", folder / "state")

    def is_up() -> bool:
        assert process.poll() is None, process.stderr.read()
        with suppress(requests.ConnectionError):
            return server.request("GET", "/healthz", token=None).status_code == 200
        return False

    try:
        wait_until(is_up)
        yield server
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--spark-remote", "sc://127.0.0.1:9", "--preload", "pyspark.sql.connect.session")
    with serving(tmp_path_factory.mktemp("workspace"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> WorkspaceClient:
    return WorkspaceClient(host=server.url, token=TOKEN)


@pytest.fixture(scope="module")
def airflow_connection(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    port = int(server.url.rsplit(":", 1)[1])
    connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "port": port, "password": TOKEN}
    with pytest.MonkeyPatch.context() as patch:
        if "AIRFLOW_HOME" not in os.environ:
            patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection))
        yield


SDK_ENVIRONMENTS = [JobEnvironment.from_dict(one) for one in ENVIRONMENTS]


def sdk_task(server: Server, code: str, *parameters: str) -> SubmitTask:
    task = server.task(code, *parameters)
    return SubmitTask.from_dict(task)


# The SDK


def test_the_sdk_submits_waits_and_reads_the_output(server: Server, client: WorkspaceClient) -> None:
    code = "import sys; print(sys.argv[1:], __name__)"
    run = client.jobs.submit(
        environments=SDK_ENVIRONMENTS, run_name="bronze.orders", tasks=[sdk_task(server, code, "--ds", "2026-01-15")]
    ).result()
    assert (run.run_name, run.state.result_state) == ("bronze.orders", RunResultState.SUCCESS)
    assert run.status.termination_details.code.value == "SUCCESS"
    assert run.tasks[0].run_id != run.run_id
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert (output.logs, output.error) == ("['--ds', '2026-01-15'] __main__\n", None)


def test_a_job_that_raises_reports_its_own_first_error_line(server: Server, client: WorkspaceClient) -> None:
    code = "def check():\n    raise ValueError('no manifest\\nlook at RAW')\ncheck()"
    run = client.jobs.submit(environments=SDK_ENVIRONMENTS, tasks=[sdk_task(server, code)]).result()
    assert run.state.result_state is RunResultState.FAILED
    assert run.state.state_message == "Task only failed with message: Workload failed, see run output for details"
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert output.error == "ValueError: no manifest"
    lines = output.error_trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(", line 3, in <module>")
    assert lines[-2:] == ["ValueError: no manifest", "look at RAW"]
    with pytest.raises(InvalidParameterValue, match="runs with multiple tasks is not supported"):
        client.jobs.get_run_output(run.run_id)


def test_the_sdk_lists_runs_in_pages_and_cancels_all_runs_of_a_job(server: Server, client: WorkspaceClient) -> None:
    ended = [server.ended(server.submit("")) for _ in range(3)]
    active = client.jobs.get_run(server.submit(FOREVER))
    assert [run.run_id for run in client.jobs.list_runs(active_only=True)] == [active.run_id]
    since = ended[0]["start_time"]
    listed = client.jobs.list_runs(completed_only=True, start_time_from=since, limit=2)
    assert [run.run_id for run in listed] == [run["run_id"] for run in reversed(ended)]
    until = client.jobs.list_runs(start_time_from=since, start_time_to=ended[1]["start_time"])
    assert [run.run_id for run in until] == [ended[1]["run_id"], ended[0]["run_id"]]
    client.jobs.cancel_all_runs(job_id=active.job_id)
    assert server.ended(active.run_id)["state"]["result_state"] == "CANCELED"


def test_the_sdk_reads_secrets_and_its_own_user(server: Server, client: WorkspaceClient) -> None:
    assert client.dbutils.secrets.get("retailflow", "crm_token") == SECRET
    assert [scope.name for scope in client.secrets.list_scopes()] == ["retailflow"]
    assert [secret.key for secret in client.secrets.list_secrets("retailflow")] == ["crm_token"]
    assert client.current_user.me().user_name == "retailflow@localhost"
    with pytest.raises(ResourceDoesNotExist, match="scope: retailflow and key: absent"):
        client.secrets.get_secret("retailflow", "absent")
    with pytest.raises(ResourceDoesNotExist, match="Run 12 does not exist"):
        client.jobs.get_run(12)


def test_cancel_ends_every_process_of_the_run_before_the_run_is_terminal(
    server: Server, client: WorkspaceClient
) -> None:
    code = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), subprocess.Popen(['sleep', '600']).pid)\n" + FOREVER
    )
    run_id = server.submit(code)
    pids = [int(pid) for pid in server.printed(run_id).split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    client.jobs.cancel_run(run_id)
    assert server.run(run_id)["state"]["life_cycle_state"] == "TERMINATING"
    run = client.jobs.wait_get_run_job_terminated_or_skipped(run_id)
    assert not any(is_alive(pid) for pid in pids)
    assert (run.state.life_cycle_state, run.state.result_state) == (
        RunLifeCycleState.TERMINATED,
        RunResultState.CANCELED,
    )
    assert run.state.state_message == "Run canceled by the user"


def test_processes_that_a_script_leaves_running_end_with_its_run(server: Server) -> None:
    run = server.ended(server.submit("import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"))
    assert run["state"]["result_state"] == "SUCCESS"
    assert not is_alive(int(server.output(run)["logs"]))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# The Airflow provider


@pytest.mark.usefixtures("airflow_connection")
def test_the_operator_shows_the_first_error_line_of_the_job(server: Server) -> None:
    from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

    def execute(code: str) -> None:
        settings = {"polling_period_seconds": 0.1, "durable": False, "do_xcom_push": False}
        payload = {
            "tasks": [server.task(code)],
            "environments": ENVIRONMENTS,
            "timeout_seconds": 60,
        }  # the operator sends 60 as text
        DatabricksSubmitRunOperator(task_id="silver", json=payload, **settings).execute({})

    execute("print('fine')")
    with pytest.raises(Exception, match="ValueError: bad day"):
        execute("raise ValueError('bad day')")


@pytest.mark.usefixtures("airflow_connection")
def test_the_deferred_trigger_waits_for_the_end_and_brings_the_error(server: Server) -> None:
    from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

    run_id = server.submit("import time; time.sleep(0.3); raise KeyError('sku')")
    trigger = DatabricksExecutionTrigger(run_id, "databricks_default", polling_period_seconds=0.1, run_page_url="x")

    async def first_event() -> Any:
        return await anext(trigger.run())

    event = asyncio.run(first_event()).payload
    assert json.loads(event["run_state"])["result_state"] == "FAILED"
    assert [(error["task_key"], error["error"]) for error in event["errors"]] == [("only", "KeyError: 'sku'")]


@pytest.mark.usefixtures("airflow_connection")
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 0}, {"drop_response": True}])
def test_the_provider_retries_a_failed_submit_and_one_run_comes_of_it(server: Server, fault: dict[str, Any]) -> None:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

    server.request("POST", "/_faults", json={"path": "runs/submit", "times": 2} | fault).raise_for_status()
    before = len(runs_of(server))
    token = f"retried {fault}"
    payload = {"tasks": [server.task("")], "environments": ENVIRONMENTS, "idempotency_token": token}
    failed_attempts: list[int] = []

    def wait(state: Any) -> float:
        failed_attempts.append(state.attempt_number)
        return 0.01

    hook = DatabricksHook(retry_limit=3, retry_args={"wait": wait, "stop": lambda state: state.attempt_number > 3})
    run_id = hook.submit_run(payload)
    assert failed_attempts == [1, 2]
    assert server.ended(run_id)["state"]["result_state"] == "SUCCESS"
    assert len(runs_of(server)) == before + 1


def runs_of(server: Server) -> list[dict[str, Any]]:
    runs, token = [], {}
    while True:
        page = server.request("GET", "/api/2.1/jobs/runs/list", params=token).json()
        runs += page["runs"]
        if not page["has_more"]:
            return runs
        token = {"page_token": page["next_page_token"]}


# The protocol itself


def test_the_keys_of_submit_are_those_of_the_sdk() -> None:
    assert inspect.signature(JobsAPI.submit).parameters.keys() - {"self"} == RUN_KEYS
    task_keys = {field.name for field in fields(SubmitTask)}
    assert {key for key in task_keys if not key.endswith("_task")} | {"spark_python_task"} == TASK_KEYS
    assert AccessControl.model_fields.keys() == {field.name for field in fields(JobAccessControlRequest)}


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x"])
@pytest.mark.parametrize("path", ["/api/2.2/jobs/runs/list", "/api/2.0/secrets/scopes/list", "/_faults", "/unknown"])
def test_nothing_is_answered_without_the_token(server: Server, path: str, token: str | None) -> None:
    response = server.request("GET", path, token=token)
    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")


def with_file(path: str) -> dict[str, Any]:
    task = {"task_key": "a", "environment_key": "default", "spark_python_task": {"python_file": path}}
    return {"tasks": [task], "environments": ENVIRONMENTS}


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"tasks": []}, "tasks: List should have at least 1 item"),
        ({"task": []}, "runs/submit has no key 'task'"),
        ({"spark_python_task": {}}, "runs/submit has no key 'spark_python_task'"),
        ({"tasks": [{"task_key": "a", "notebook_task": {}}]}, "tasks[0].notebook_task: the local workspace runs"),
        ({"tasks": [{"task_key": "a", "depends_on": [{"task_key": "b"}]}]}, "tasks[0].depends_on: the local workspace"),
        ({"tasks": [{"task_key": "a", "timeout": 3}]}, "tasks[0] has no key 'timeout'"),
        (
            {"tasks": [{**with_file("/Workspace/retailflow/a.py")["tasks"][0], "environment_key": "x"}]},
            "environment_key 'x' of a is none of environments[]",
        ),
        (
            {**with_file("/Workspace/retailflow/a.py"), "idempotency_token": "x" * 65},
            "idempotency_token: String",
        ),
        ({"tasks": with_file("/Workspace/retailflow/a.py")["tasks"] * 2}, "every task_key must be there once"),
        (with_file("/Workspace/retailflow/../../etc/passwd"), "is outside the workspace"),
        (with_file("/Workspace/retailflow//etc/passwd"), "is outside the workspace"),
        (with_file("/etc/passwd"), "is outside the workspace"),
        (with_file("spark_jobs/bronze.py"), "it must lie under /Workspace/retailflow/"),
        (
            {"tasks": [{"task_key": "a", "spark_python_task": {"python_file": "/Workspace/retailflow/a.py"}}]},
            "An environment is required for serverless task a",
        ),
        (
            {**with_file("/Workspace/retailflow/a.py"), "access_control_list": [{"permission_level": "CAN_VIEW"}]},
            "access_control_list.0: Value error, exactly one of group_name, service_principal_name and user_name",
        ),
        (
            {**with_file("/Workspace/retailflow/a.py"), "access_control_list": [{"group_name": "a"}]},
            "access_control_list.0.permission_level: Field required",
        ),
    ],
)
def test_a_payload_it_cannot_run_is_refused_with_a_sentence(
    server: Server, payload: dict[str, Any], sentence: str
) -> None:
    response = server.request("POST", "/api/2.2/jobs/runs/submit", json=payload)
    assert (response.status_code, response.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert sentence in response.json()["message"]


def test_the_run_id_may_come_as_a_json_body_on_get(server: Server) -> None:
    run_id = server.submit("")
    response = server.request("GET", "/api/2.2/jobs/runs/get", json={"run_id": str(run_id)})
    assert response.json()["run_id"] == run_id
    response = server.request("GET", "/api/2.2/jobs/runs/get", json={"run_id": "first"})
    assert response.json()["message"] == "run_id must be an integer, not 'first'"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise SystemExit(3)", "The script ended with exit code 3 and printed nothing"),
        ("print('reading'); raise SystemExit('--ds is not a date')", "--ds is not a date"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "The script was killed by SIGKILL; did the machine run out of memory?",
        ),
        ("x = (", "SyntaxError: '(' was never closed (job"),
    ],
)
def test_a_failure_without_a_traceback_still_has_an_error_line(server: Server, code: str, error: str) -> None:
    run = server.ended(server.submit(code))
    assert run["state"]["result_state"] == "FAILED"
    assert server.output(run)["error"].startswith(error)


ONCE_BROKEN = """
from pathlib import Path
seen = Path(__file__ + ".seen")
if not seen.exists():
    seen.touch()
    raise ValueError("the first attempt")
print("the second attempt")
"""


def test_databricks_repeats_a_failed_serverless_task_once_and_lists_both_attempts(server: Server) -> None:
    task = server.task(ONCE_BROKEN, disable_auto_optimization=False)
    run = server.ended(server.submit("", tasks=[task]))
    assert run["state"]["result_state"] == "SUCCESS"
    first, second = run["tasks"]
    found = [(one["attempt_number"], one["state"]["result_state"]) for one in (first, second)]
    assert (found, first["task_key"]) == ([(0, "FAILED"), (1, "SUCCESS")], second["task_key"])
    assert second["start_time"] == first["end_time"]
    outputs = [server.output({"tasks": [one]}) for one in (first, second)]
    assert (outputs[0]["error"], outputs[1]["logs"]) == ("ValueError: the first attempt", "the second attempt\n")
    page = requests.get(run["run_page_url"], timeout=20).text
    assert "the first attempt" in page and "the second attempt" in page


@pytest.mark.parametrize(
    ("settings", "attempts"),
    [({}, 2), ({"disable_auto_optimization": True}, 1), ({"new_cluster": {"num_workers": 1}}, 1)],
)
def test_a_task_that_fails_again_has_failed_and_only_serverless_tasks_are_repeated(
    server: Server, settings: dict[str, Any], attempts: int
) -> None:
    task = server.task("raise SystemExit('broken')", **{"disable_auto_optimization": False} | settings)
    run = server.ended(server.submit("", tasks=[task]))
    assert [one["state"]["result_state"] for one in run["tasks"]] == ["FAILED"] * attempts
    assert run["state"]["result_state"] == "FAILED"


def test_an_older_file_of_runs_has_one_attempt_at_each_task(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite")
    store._db.execute("ALTER TABLE tasks DROP COLUMN attempt_number")
    run_id, _ = store.add(Submission.model_validate(with_file("/Workspace/retailflow/a.py")))
    run = Store(tmp_path / "runs.sqlite").run(run_id)
    assert [task.attempt_number for task in run.tasks] == [0]


# Environments


def wheel(server: Server, name: str, answer: int) -> dict[str, Any]:
    """Write a wheel; return the settings of a run whose environment has it."""
    with zipfile.ZipFile(server.files / name, "w") as file:
        file.writestr("answers.py", f"ANSWER = {answer}")
    return needing(f"/Workspace/retailflow/{name}")


def needing(*dependencies: str) -> dict[str, Any]:
    spec = {"environment_version": "5", "dependencies": list(dependencies)}
    return {"environments": [{"environment_key": "default", "spec": spec}]}


def test_a_wheel_that_is_overwritten_under_its_name_goes_on_running_as_it_was(server: Server) -> None:
    """Databricks caches an environment by the text of its dependencies. So each release needs a name of its own."""

    def answer(settings: dict[str, Any]) -> str:
        task = server.task("import answers; print(answers.ANSWER)", environment_key="default")
        return server.output(server.ended(server.submit("", tasks=[task], **settings)))["logs"]

    assert answer(wheel(server, "a-1.whl", 1)) == "1\n"
    assert answer(wheel(server, "a-1.whl", 2)) == "1\n"
    assert answer(wheel(server, "a-2.whl", 2)) == "2\n"


@pytest.mark.parametrize(
    ("dependency", "said"),
    [
        ("/Workspace/retailflow/absent.whl", "the workspace does not contain this file"),
        ("/tmp/a.whl", "outside the workspace"),
    ],
)
def test_an_environment_that_cannot_be_made_is_an_internal_error(server: Server, dependency: str, said: str) -> None:
    task = server.task("print('runs')", environment_key="default")
    run = server.ended(server.submit("", tasks=[task], **needing(dependency)))
    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert said in run["state"]["state_message"]


def test_an_absent_script_is_an_internal_error(server: Server) -> None:
    payload = with_file("/Workspace/retailflow/absent.py")
    run_id = server.request("POST", "/api/2.2/jobs/runs/submit", json=payload).json()["run_id"]
    state = server.ended(run_id)["state"]
    assert (state["life_cycle_state"], state["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    assert "Cannot read the python file /Workspace/retailflow/absent.py" in state["state_message"]


def test_a_timeout_of_the_run_or_of_a_task_ends_it_as_timedout(server: Server) -> None:
    of_run = server.submit(FOREVER, timeout_seconds=1)
    of_task = server.submit("", tasks=[server.task(FOREVER, timeout_seconds="1")])
    for run_id in (of_run, of_task):
        state = server.ended(run_id)["state"]
        assert (state["life_cycle_state"], state["result_state"]) == ("TERMINATED", "TIMEDOUT")
        assert state["state_message"] == "Run timed out after 1 seconds (timeout_seconds)"


def test_a_job_finds_its_workspace_and_its_spark_session_in_its_environment(server: Server) -> None:
    code = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path[0]]))"
    run = server.ended(server.submit(code))
    environment, first_path = json.loads(server.output(run)["logs"].replace("[REDACTED]", "the token"))
    assert first_path == str(server.files)
    assert environment["DATABRICKS_HOST"] == server.url
    assert environment["DATABRICKS_TOKEN"] == "the token"
    assert environment["RETAILFLOW_RUN_ID"] == str(run["run_id"])
    assert environment["SPARK_REMOTE"].startswith("sc://127.0.0.1:9/;user_id=retailflow;session_id=")
    assert not {"RETAILFLOW_DATABRICKS_TOKEN", "RETAILFLOW_SECRETS_FILE"} & environment.keys()


def test_secret_values_are_shown_neither_in_logs_nor_in_errors_nor_on_the_run_page(server: Server) -> None:
    run = server.ended(server.submit(f"print('{SECRET}', '{TOKEN}'); raise ValueError('refused {SECRET}')"))
    output, page = server.output(run), requests.get(run["run_page_url"], timeout=20).text
    assert output["logs"].splitlines()[0] == "[REDACTED] [REDACTED]"
    assert output["error"] == "ValueError: refused [REDACTED]"
    assert '<div class="error">ValueError: refused [REDACTED]</div>' in page
    assert not [text for text in (str(output), page) if SECRET in text or TOKEN in text]


def test_the_run_page_opens_by_its_own_key_only_and_escapes_what_a_job_printed(server: Server) -> None:
    tags = {"layer": "silver", "feed": "<orders>"}
    readers = [{"group_name": "on_call", "permission_level": "CAN_VIEW"}]
    run = server.ended(
        server.submit("print('<script>x</script>')", run_name="silver.orders", tags=tags, access_control_list=readers)
    )
    assert run["tags"] == tags
    page = requests.get(run["run_page_url"], timeout=20)
    assert page.status_code == 200
    for shown in ("<h1>silver.orders</h1>", "SUCCESS", "&lt;orders&gt;", "on_call CAN_VIEW", "&lt;script&gt;x&lt;/sc"):
        assert shown in page.text
    assert "<script>" not in page.text
    assert requests.get(run["run_page_url"][:-1] + "*", timeout=20).status_code == 404


def test_a_long_log_keeps_its_end_and_says_so(server: Server) -> None:
    output = server.output(server.ended(server.submit("print('x' * 300_000); print('the end')")))
    assert (len(output["logs"]), output["logs_truncated"]) == (200_000, True)
    assert output["logs"].endswith("the end\n")
    modes = {path.stat().st_mode & 0o777 for path in (server.state / "logs").iterdir()}
    assert (modes, (server.state / "logs").stat().st_mode & 0o777) == ({0o600}, 0o700)


# The life of the server


def test_only_so_many_runs_work_at_once_and_the_rest_wait_in_order(tmp_path: Path) -> None:
    with serving(tmp_path, "--max-concurrent-runs", "2") as server:
        first, second = server.submit(FOREVER), server.submit(FOREVER)
        waiting = [server.submit("import time; print(time.time())") for _ in range(3)]
        canceled = server.submit("print('must not run')")
        wait_until(lambda: server.run(second)["state"]["life_cycle_state"] == "RUNNING")
        assert {server.run(run_id)["state"]["life_cycle_state"] for run_id in waiting} == {"PENDING"}
        server.request("POST", "/api/2.2/jobs/runs/cancel", json={"run_id": canceled})
        assert server.run(canceled)["state"]["result_state"] == "CANCELED"
        server.request("POST", "/api/2.2/jobs/runs/cancel", json={"run_id": first})
        starts = [float(server.output(server.ended(run_id))["logs"]) for run_id in waiting]
        assert starts == sorted(starts)
        assert server.output(server.run(canceled))["logs"] == ""


def test_a_task_waits_for_its_compute_as_long_as_the_server_is_configured_to(tmp_path: Path) -> None:
    with serving(tmp_path, "--start-seconds", "2") as server:
        begun, canceled = server.submit("print('begun')"), server.submit(FOREVER)
        server.request("POST", "/api/2.2/jobs/runs/cancel", json={"run_id": canceled})
        assert server.ended(canceled)["state"]["result_state"] == "CANCELED"
        assert server.run(begun)["state"]["life_cycle_state"] == "PENDING"
        run = server.ended(begun)
        assert run["state"]["result_state"] == "SUCCESS"
        assert run["tasks"][0]["setup_duration"] >= 2000
        server.submit(FOREVER)  # still waits when the server ends


def test_an_idempotency_token_gives_the_same_run_even_after_the_server_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        active = server.submit("import os; print(os.getpid())\n" + FOREVER, idempotency_token="day-1/silver/try-1")
        assert server.submit("print('another payload')", idempotency_token="day-1/silver/try-1") == active
        pid = int(server.printed(active))
        server.process.kill()
        server.process.wait()
        assert is_alive(pid)
    with serving(tmp_path) as server:
        assert server.submit("", idempotency_token="day-1/silver/try-1") == active
        state = server.ended(active)["state"]
        assert not is_alive(pid)
        assert (state["life_cycle_state"], state["result_state"]) == ("INTERNAL_ERROR", "FAILED")
        assert "The workspace server was restarted" in state["state_message"]


def test_sigterm_cancels_what_runs_and_leaves_no_process(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        run_id = server.submit("import os; print(os.getpid())\n" + FOREVER)
        pid = int(server.printed(run_id))
        family = [*psutil.Process(server.process.pid).children(recursive=True), psutil.Process(pid)]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        wait_until(lambda: not any(is_alive(process.pid) for process in family), seconds=5)
        assert server.process.stderr.read() == ""
    with serving(tmp_path) as server:
        state = server.run(run_id)["state"]
        assert (state["result_state"], state["state_message"]) == ("CANCELED", "The workspace server was stopped")


def test_a_second_server_on_the_same_state_is_refused(server: Server) -> None:
    process, _ = start(server.state.parent)
    assert process.wait(20) == 1
    assert f"another server uses {server.state}" in process.stderr.read()


def test_a_secrets_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").touch(mode=0o644)
    process, _ = start(tmp_path)
    assert process.wait(20) == 1
    assert "can be read by others; run: chmod 600" in process.stderr.read()
