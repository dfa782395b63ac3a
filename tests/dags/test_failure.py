"""The message for the engineer on call in the task's log, after a job has raised."""

import asyncio

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook, RunState
from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger
from airflow.sdk.exceptions import AirflowException

ERROR = "ValueError: batch_01KF.json has 3 records, its manifest says 4"


def answering(value):
    async def answer(*_):
        return value

    return answer


def test_a_job_that_raised_shows_its_error_line_in_the_task_log(daily, monkeypatch):
    state = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Task failed."}
    task_run = {"task_key": "silver_orders", "run_id": 12, "attempt_number": 0, "state": state}
    monkeypatch.setattr(DatabricksHook, "a_get_run_state", answering(RunState(**state)))
    monkeypatch.setattr(DatabricksHook, "a_get_run", answering({"state": state, "tasks": [task_run]}))
    monkeypatch.setattr(DatabricksHook, "a_get_run_output", answering({"error": ERROR}))

    async def first_event():
        return await anext(DatabricksExecutionTrigger(11, "databricks_default", run_page_url="http://x/run/11").run())

    event = asyncio.run(first_event()).payload
    with pytest.raises(AirflowException, match=ERROR):
        daily.get_task("silver.orders").execute_complete({}, event)
