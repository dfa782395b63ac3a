"""Runs and their tasks in one SQLite file, so that they and the idempotency tokens survive a restart.

A task's state changes only here, and only forward: PENDING, RUNNING, TERMINATING, then TERMINATED or INTERNAL_ERROR.
"""

import json
import secrets
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retailflow_local.jobs_api.submission import Submission

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  position INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL UNIQUE, job_id INTEGER NOT NULL,
  idempotency_token TEXT UNIQUE, page_key TEXT NOT NULL, submission TEXT NOT NULL, start_time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
  run_id INTEGER PRIMARY KEY, parent_run_id INTEGER NOT NULL REFERENCES runs (run_id), task_index INTEGER NOT NULL,
  life_cycle_state TEXT NOT NULL DEFAULT 'PENDING', result_state TEXT, code TEXT,
  state_message TEXT NOT NULL DEFAULT '',
  execution_start INTEGER, end_time INTEGER, pid INTEGER, pid_started TEXT, session_id TEXT,
  error TEXT, error_trace TEXT);
CREATE INDEX IF NOT EXISTS tasks_of_run ON tasks (parent_run_id);
CREATE TABLE IF NOT EXISTS jobs (job_id INTEGER PRIMARY KEY, settings TEXT NOT NULL);
"""
_ATTEMPT = "ALTER TABLE tasks ADD COLUMN attempt_number INTEGER NOT NULL DEFAULT 0"  # an older file lacks it


@dataclass(frozen=True)
class Outcome:
    """How a task ended. `code` is one of Databricks' termination codes."""

    life_cycle_state: str
    result_state: str
    code: str
    state_message: str = ""
    error: str | None = None
    error_trace: str | None = None


@dataclass(frozen=True)
class TaskRow:
    """One attempt at a task of a run. Times are milliseconds since 1970; `run_id` is the attempt's, not the run's."""

    run_id: int
    parent_run_id: int
    task_index: int
    life_cycle_state: str
    result_state: str | None
    code: str | None
    state_message: str
    execution_start: int | None
    end_time: int | None
    pid: int | None
    pid_started: str | None
    session_id: str | None
    error: str | None
    error_trace: str | None
    attempt_number: int

    @property
    def is_terminal(self) -> bool:
        return self.end_time is not None


@dataclass(frozen=True)
class RunRow:
    position: int
    run_id: int
    job_id: int
    page_key: str
    submission: dict[str, Any]
    start_time: int
    tasks: tuple[TaskRow, ...]

    @property
    def last_attempts(self) -> list[TaskRow]:
        return list({task.task_index: task for task in self.tasks}.values())


def now() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> int:
    """Return a random id, as Databricks does, so that a client's old id never names a run of a new workspace."""
    return 10**14 + secrets.randbelow(9 * 10**14)


class Store:
    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)
        with suppress(sqlite3.OperationalError):
            self._db.execute(_ATTEMPT)

    def _change(self, sql: str, *values: Any) -> bool:
        with self._lock, self._db:
            return self._db.execute(sql, values).rowcount > 0

    def _rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def put_job(self, settings: dict[str, Any], job_id: int | None = None) -> int:
        """Store the settings of a new job, or replace those of an existing one. Returns its id."""
        job_id = job_id or _new_id()
        self._change("INSERT OR REPLACE INTO jobs VALUES (?, ?)", job_id, json.dumps(settings))
        return job_id

    def job(self, job_id: int) -> dict[str, Any] | None:
        """Return the settings of a job, or None."""
        rows = self._rows("SELECT settings FROM jobs WHERE job_id = ?", job_id)
        return json.loads(rows[0]["settings"]) if rows else None

    def jobs(self) -> list[tuple[int, dict[str, Any]]]:
        """Return each job's id and settings."""
        return [(row["job_id"], json.loads(row["settings"])) for row in self._rows("SELECT * FROM jobs")]

    def add(self, submission: Submission, job_id: int | None = None) -> tuple[int, bool]:
        """Store a run. Returns its id, and whether it is new: a known idempotency token returns its first run.

        Without `job_id` the run gets a job of its own, as runs/submit does it.
        """
        token = submission.idempotency_token or None
        with self._lock, self._db:
            if token and (seen := self._rows("SELECT run_id FROM runs WHERE idempotency_token = ?", token)):
                return seen[0]["run_id"], False
            run_id = _new_id()
            self._db.execute(
                "INSERT INTO runs (run_id, job_id, idempotency_token, page_key, submission, start_time)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (run_id, job_id or _new_id(), token, secrets.token_urlsafe(24), submission.model_dump_json(), now()),
            )
            self._db.executemany(
                "INSERT INTO tasks (run_id, parent_run_id, task_index) VALUES (?, ?, ?)",
                [(_new_id(), run_id, index) for index in range(len(submission.tasks))],
            )
        return run_id, True

    def run(self, run_id: int) -> RunRow | None:
        """Return the run with that id, or the run that has a task with that id."""
        rows = self._rows(
            "SELECT * FROM runs WHERE run_id = coalesce((SELECT parent_run_id FROM tasks WHERE run_id = ?), ?)",
            run_id,
            run_id,
        )
        return self._with_tasks(rows[0]) if rows else None

    def _with_tasks(self, row: sqlite3.Row) -> RunRow:
        tasks = self._rows(
            "SELECT * FROM tasks WHERE parent_run_id = ? ORDER BY task_index, attempt_number", row["run_id"]
        )
        return RunRow(
            position=row["position"],
            run_id=row["run_id"],
            job_id=row["job_id"],
            page_key=row["page_key"],
            submission=json.loads(row["submission"]),
            start_time=row["start_time"],
            tasks=tuple(TaskRow(**task) for task in tasks),
        )

    def runs(
        self,
        *,
        before: int | None = None,
        limit: int = -1,
        active: bool | None = None,
        job_id: int | None = None,
        start_from: int | None = None,
        start_to: int | None = None,
    ) -> list[RunRow]:
        """Return runs, newest first. `before` is the `position` of the last run that the caller has seen."""
        rows = self._rows(
            "SELECT * FROM (SELECT *, EXISTS (SELECT 1 FROM tasks WHERE parent_run_id = runs.run_id"
            "  AND end_time IS NULL) AS is_active FROM runs)"
            " WHERE (?1 IS NULL OR position < ?1) AND (?2 IS NULL OR is_active = ?2) AND (?3 IS NULL OR job_id = ?3)"
            " AND (?4 IS NULL OR start_time >= ?4) AND (?5 IS NULL OR start_time <= ?5)"
            " ORDER BY position DESC LIMIT ?6",
            *(before, active, job_id, start_from, start_to, limit),
        )
        return [self._with_tasks(row) for row in rows]

    def add_attempt(self, task: TaskRow) -> int:
        """Add another attempt at a task. Returns its id."""
        run_id = _new_id()
        self._change(
            "INSERT INTO tasks (run_id, parent_run_id, task_index, attempt_number) VALUES (?, ?, ?, ?)",
            *(run_id, task.parent_run_id, task.task_index, task.attempt_number + 1),
        )
        return run_id

    def claim(self, run_id: int, session_id: str) -> bool:
        """Move a task from PENDING to RUNNING. Returns False if it was canceled while it waited."""
        return self._change(
            "UPDATE tasks SET life_cycle_state = 'RUNNING', execution_start = ?, session_id = ?"
            " WHERE run_id = ? AND life_cycle_state = 'PENDING'",
            *(now(), session_id, run_id),
        )

    def remember_process(self, run_id: int, pid: int, start: str) -> None:
        self._change("UPDATE tasks SET pid = ?, pid_started = ? WHERE run_id = ?", pid, start, run_id)

    def mark_terminating(self, run_id: int) -> None:
        self._change(
            "UPDATE tasks SET life_cycle_state = 'TERMINATING' WHERE run_id = ? AND life_cycle_state = 'RUNNING'",
            run_id,
        )

    def finish(self, run_id: int, outcome: Outcome, only_pending: bool = False) -> bool:
        """Store how a task ended, once. Returns False if it had ended or, with `only_pending`, was not PENDING."""
        return self._change(
            "UPDATE tasks SET life_cycle_state = ?, result_state = ?, code = ?, state_message = ?, error = ?,"
            " error_trace = ?, end_time = ? WHERE run_id = ? AND end_time IS NULL"
            " AND (life_cycle_state = 'PENDING' OR NOT ?)",
            *(outcome.life_cycle_state, outcome.result_state, outcome.code, outcome.state_message, outcome.error),
            *(outcome.error_trace, now(), run_id, only_pending),
        )
