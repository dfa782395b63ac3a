"""Convert rows to the JSON of the Jobs API, with the fields that clients read. Databricks has more fields."""

from typing import Any

from retailflow_local.jobs_api.store import RunRow, TaskRow

USER = "retailflow@localhost"
_WORST_FIRST = ("INTERNAL_ERROR", "FAILED", "TIMEDOUT", "CANCELED", "SUCCESS")
_TYPES = {"SUCCESS": "SUCCESS", "INTERNAL_ERROR": "INTERNAL_ERROR"}


def task_view(run: RunRow, task: TaskRow, base_url: str) -> dict[str, Any]:
    start, end = task.execution_start or task.end_time, task.end_time or 0
    attempts = [one for one in run.tasks if one.task_index == task.task_index]
    submitted = (task.attempt_number and attempts[task.attempt_number - 1].end_time) or run.start_time
    return run.submission["tasks"][task.task_index] | {
        "run_id": task.run_id,
        "run_page_url": page_url(run, base_url),
        "attempt_number": task.attempt_number,
        "start_time": submitted,
        "setup_duration": start - submitted if start else 0,
        "execution_duration": end - start if start and end else 0,
        "cleanup_duration": 0,
        "end_time": end,
        **_states(task.life_cycle_state, task.result_state, task.code, task.state_message),
    }


def run_view(run: RunRow, run_id: int, base_url: str, with_tasks: bool = True) -> dict[str, Any]:
    """Return a run as JSON. `run_id` is its own id, or a task's: Databricks answers that like a run of its own.

    `tasks` lists every attempt. The last attempt says how a task ended.
    """
    own = [task for task in run.tasks if task.run_id == run_id]
    listed, tasks = own or run.tasks, own or run.last_attempts
    life_cycle_state, result_state, code, message = _summary(run, tasks)
    end = max(task.end_time or 0 for task in tasks) if all(task.is_terminal for task in tasks) else 0
    view = {
        "run_id": run_id,
        "run_name": run.submission["run_name"],
        "run_page_url": page_url(run, base_url),
        "run_type": "SUBMIT_RUN",
        "job_id": run.job_id,
        "number_in_job": run.run_id,
        "creator_user_name": USER,
        "attempt_number": 0,
        "start_time": run.start_time,
        # Databricks reports 0 for these three durations of a run; its tasks have their own.
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "run_duration": end - run.start_time if end else 0,
        "end_time": end,
        "tags": run.submission["tags"],
        **_states(life_cycle_state, result_state, code, message),
    }
    return view | {"tasks": [task_view(run, task, base_url) for task in listed]} if with_tasks else view


def page_url(run: RunRow, base_url: str) -> str:
    return f"{base_url}/run/{run.run_id}/{run.page_key}"


def _summary(run: RunRow, tasks: list[TaskRow]) -> tuple[str, str | None, str | None, str]:
    states = {task.life_cycle_state for task in tasks}
    if "TERMINATING" in states:
        return "TERMINATING", None, None, ""
    if states == {"PENDING"}:
        return "PENDING", None, None, ""
    if not all(task.is_terminal for task in tasks):
        return "RUNNING", None, None, ""
    worst = min(tasks, key=lambda task: _WORST_FIRST.index(_rank(task)))
    message = worst.state_message
    if worst.result_state == "FAILED":
        message = f"Task {run.submission['tasks'][worst.task_index]['task_key']} failed with message: {message}"
    return worst.life_cycle_state, worst.result_state, worst.code, message


def _rank(task: TaskRow) -> str:
    return "INTERNAL_ERROR" if task.life_cycle_state == "INTERNAL_ERROR" else str(task.result_state)


def _states(life_cycle_state: str, result_state: str | None, code: str | None, message: str) -> dict[str, Any]:
    """Return the state in its older form, which the Airflow provider reads, and in its newer one (`status`)."""
    state: dict[str, Any] = {
        "life_cycle_state": life_cycle_state,
        "state_message": message,
        "user_cancelled_or_timedout": result_state in ("CANCELED", "TIMEDOUT"),
    }
    status: dict[str, Any] = {"state": "TERMINATED" if result_state else life_cycle_state}
    if result_state and code:
        state["result_state"] = result_state
        kind = _TYPES.get(code, "CLIENT_ERROR")
        status["termination_details"] = {"code": code, "type": kind, "message": message}
    return {"state": state, "status": status}
