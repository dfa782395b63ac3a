"""Run tasks, each in a process of its own, a few at a time. The others wait in the order of their arrival."""

import json
import logging
import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from retailflow_local.jobs_api import child
from retailflow_local.jobs_api.environments import Environments, NotInstalled
from retailflow_local.jobs_api.processes import Leader, terminate
from retailflow_local.jobs_api.store import Outcome, RunRow, Store, TaskRow, now
from retailflow_local.jobs_api.submission import Task, resolve_file
from retailflow_local.spark_client import with_parameters
from retailflow_local.starts import Start

_LOG = logging.getLogger(__name__)
_INTERRUPT_TIMEOUT_SECONDS = 15
_FAILURE, _FAILED = "RUN_EXECUTION_ERROR", "Workload failed, see run output for details"


@dataclass
class _Live:
    """A task that a worker is running."""

    leader: Leader | None = None
    cancel_message: str | None = None


@dataclass(frozen=True)
class Workspace:
    """The surroundings of a task: its files, its imports, its environment variables and its Spark server."""

    files: Path
    environments: Environments
    logs: Path
    environment: dict[str, str]
    spark_remote: str | None

    def log(self, run_id: int) -> Path:
        return self.logs / f"{run_id}.log"

    def session(self, session_id: str) -> str:
        assert self.spark_remote
        return with_parameters(self.spark_remote, user_id="retailflow", session_id=session_id)


class Runner:
    """Runs the tasks. A text of a job is stored after `redact`; a task waits `start_seconds` for compute."""

    def __init__(
        self,
        store: Store,
        workspace: Workspace,
        redact: Callable[[str], str],
        max_concurrent: int,
        preload: list[str],
        start_seconds: float,
    ) -> None:
        self._store, self._workspace, self._redact = store, workspace, redact
        self._start_seconds = start_seconds
        self._pool = ThreadPoolExecutor(max_concurrent, thread_name_prefix="task")
        self._lock = threading.Lock()  # guards _live
        self._fork_lock = threading.Lock()  # multiprocessing reads an exit code once, from whichever thread looks first
        self._live: dict[int, _Live] = {}
        multiprocessing.set_forkserver_preload(preload)
        self._context = multiprocessing.get_context("forkserver")
        forkserver.ensure_running()

    def recover(self) -> None:
        """Start to end the tasks of a server that died. A task is terminal once none of its processes is left."""
        for run in self._store.runs(active=True):
            for task in run.tasks:
                if not task.is_terminal:
                    self._pool.submit(self._end_orphan, task)

    def _end_orphan(self, task: TaskRow) -> None:
        if task.pid and task.pid_started:
            with suppress(ValueError):  # an older version wrote the time
                terminate(Leader(task.pid, Start.parse(str(task.pid_started))))
        if task.session_id:
            self._interrupt(task.session_id)
        message = "The workspace server was restarted while this task was active"
        self._store.finish(task.run_id, _internal_error(message))

    def submit(self, run: RunRow) -> None:
        for task in run.tasks:
            self._submit(run.run_id, task.run_id)

    def _submit(self, run_id: int, task_id: int) -> None:
        if not self._start_seconds:
            self._submit_now(run_id, task_id)
            return
        later = threading.Timer(self._start_seconds, self._submit_now, (run_id, task_id))
        later.daemon = True  # it does not delay the server's end
        later.start()

    def _submit_now(self, run_id: int, task_id: int) -> None:
        with suppress(RuntimeError):  # the server has closed meanwhile and canceled the run
            self._pool.submit(self._carry_out, run_id, task_id)

    def cancel(self, task: TaskRow, message: str = "Run canceled by the user") -> None:
        """Request the end of a task. It is terminal once its processes are gone. An ended task stays as it is."""
        if self._store.finish(task.run_id, _canceled(message), only_pending=True):
            return
        with self._lock:
            live = self._live.get(task.run_id)
            if live is None:
                return
            live.cancel_message = message
            self._store.mark_terminating(task.run_id)
        if live.leader:
            threading.Thread(target=terminate, args=(live.leader,)).start()

    def close(self) -> None:
        """Cancel all runs, and return when no process is left."""
        for run in self._store.runs(active=True):
            for task in run.tasks:
                self.cancel(task, "The workspace server was stopped")
        self._pool.shutdown()

    def _carry_out(self, run_id: int, task_id: int) -> None:
        live = self._live[task_id] = _Live()
        session_id, again = str(uuid.uuid4()), None
        try:
            if not self._store.claim(task_id, session_id):
                return
            run = self._store.run(run_id)
            assert run is not None
            task = next(task for task in run.tasks if task.run_id == task_id)
            try:
                outcome = self._run(run, task, live, session_id)
            except Exception as error:
                _LOG.exception("task run %s could not be carried out", task_id)
                outcome = _internal_error(f"The task could not be carried out: {error}")
            if outcome.code == _FAILURE and not task.attempt_number and _settings(run, task).is_repeated:
                again = self._store.add_attempt(task)  # before this one ends, so that the run stays active
            self._store.finish(task_id, outcome)
        finally:
            with self._lock:
                del self._live[task_id]
        if again and live.cancel_message:
            self._store.finish(again, _canceled(live.cancel_message))
        elif again:
            self._submit(run_id, again)

    def _run(self, run: RunRow, task: TaskRow, live: _Live, session_id: str) -> Outcome:
        settings = _settings(run, task)
        python_task = settings.spark_python_task
        script = resolve_file(python_task.python_file, self._workspace.files)
        if not script.is_file():
            return _internal_error(f"Cannot read the python file {python_task.python_file}: there is none")
        try:
            imports = self._workspace.environments.of(run.submission, settings.model_dump())
        except NotInstalled as error:
            return _internal_error(f"Library installation failed: {error}")
        error_file = self._workspace.logs / f"{task.run_id}.error.json"
        environment = self._workspace.environment | {"RETAILFLOW_RUN_ID": str(run.run_id)}
        if self._workspace.spark_remote:
            environment["SPARK_REMOTE"] = self._workspace.session(session_id)
        log = self._workspace.log(task.run_id)
        parameters = [text.replace("{{task.run_id}}", str(task.run_id)) for text in python_task.parameters]
        process = self._start(
            child.run_script, str(script), parameters, str(log), str(error_file), environment, imports and str(imports)
        )
        leader = Leader.of(process.pid)
        self._store.remember_process(task.run_id, leader.pid, str(leader.start or ""))
        with self._lock:
            live.leader = leader
        if live.cancel_message:
            terminate(leader)
        limit, seconds_left = _time_left(run, task)
        is_late = not connection.wait([process.sentinel], seconds_left)
        if is_late:
            self._store.mark_terminating(task.run_id)
        terminate(leader)  # also ends what a finished script left behind
        exit_code = self._exit_code(process)
        if is_late or live.cancel_message or exit_code < 0:
            self._interrupt(session_id)
        if live.cancel_message:
            return _canceled(live.cancel_message)
        if is_late:
            message = f"Run timed out after {limit} seconds (timeout_seconds)"
            return Outcome("TERMINATED", "TIMEDOUT", "CANCELED", message, message)
        if exit_code == 0:
            return Outcome("TERMINATED", "SUCCESS", "SUCCESS")
        return self._failure(exit_code, log, error_file)

    def _failure(self, exit_code: int, log: Path, error_file: Path) -> Outcome:
        failed = Outcome("TERMINATED", "FAILED", _FAILURE, _FAILED)
        if error_file.exists():
            report = {key: self._redact(text) for key, text in json.loads(error_file.read_text()).items()}
            error_file.unlink()
            return replace(failed, **report)
        if exit_code < 0:
            name = signal.Signals(-exit_code).name
            return replace(failed, error=f"The script was killed by {name}; did the machine run out of memory?")
        tail, _ = read_tail(log, self._redact)
        printed = [line for line in tail.splitlines() if line.strip()]
        sentence = f"The script ended with exit code {exit_code} and printed nothing"
        return replace(failed, error=printed[-1].strip() if printed else sentence)

    def _start(self, target: Callable[..., None], *arguments: object) -> ForkServerProcess:
        process = self._context.Process(target=target, args=arguments)
        with self._fork_lock:
            process.start()
        return process

    def _exit_code(self, process: ForkServerProcess) -> int:
        connection.wait([process.sentinel])
        with self._fork_lock:
            process.join()
        assert process.exitcode is not None
        return process.exitcode

    def _interrupt(self, session_id: str) -> None:
        """Stop the query of a dead client, which the Spark server would otherwise complete."""
        if not self._workspace.spark_remote:
            return
        process = self._start(child.interrupt_session, self._workspace.session(session_id))
        if not connection.wait([process.sentinel], _INTERRUPT_TIMEOUT_SECONDS):
            process.kill()
        if code := self._exit_code(process):
            _LOG.warning("Spark session %s could not be interrupted (exit code %s)", session_id, code)


def _settings(run: RunRow, task: TaskRow) -> Task:
    return Task.model_validate(run.submission["tasks"][task.task_index])


def _canceled(message: str) -> Outcome:
    return Outcome("TERMINATED", "CANCELED", "USER_CANCELED", message, message)


def _internal_error(message: str) -> Outcome:
    return Outcome("INTERNAL_ERROR", "FAILED", "INTERNAL_ERROR", message, message)


def _time_left(run: RunRow, task: TaskRow) -> tuple[int, float | None]:
    """Return the limit that expires first, and its remaining seconds. A run's limit begins with its first task."""
    own = _settings(run, task).timeout_seconds
    first_start = min(other.execution_start for other in run.tasks if other.execution_start)
    limits = [(task.execution_start, own), (first_start, run.submission["timeout_seconds"])]
    left = [(start / 1000 + limit - now() / 1000, limit) for start, limit in limits if limit]
    if not left:
        return 0, None
    seconds, limit = min(left)
    return limit, max(seconds, 0)


def read_tail(log: Path, redact: Callable[[str], str], limit: int = 200_000) -> tuple[str, bool]:
    """Return the last `limit` characters of a task's output, without secrets, and whether earlier output is cut off."""
    if not log.exists():
        return "", False
    margin = 10_000  # so that a secret at the cut is complete when it is redacted
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - limit - margin, 0))
        text = redact(file.read().decode(errors="replace"))
    return text[-limit:], size > limit + margin or len(text) > limit
