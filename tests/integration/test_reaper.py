"""The reaper on the real local Jobs API. Airflow's answers about the states of its tasks are given."""

import json
import os
from types import SimpleNamespace

import pytest

from retailflow_airflow import reaper
from retailflow_airflow.reaper import Instance, instance_of, reap

from .test_jobs_api import FOREVER, TOKEN, serving

RUN = "scheduled__2026-01-16T02:00:00+00:00"


MARK = "5e8f02a1"  # of this Airflow


def name(task="bronze.orders", number=1, environment="prod", mark=MARK, run=RUN, index=""):
    return f"retailflow_daily/{task}/2026-01-15/try {number} ({environment}, {mark}, {run}{index})"


def test_a_name_says_whose_run_it_is():
    whose = Instance("prod", MARK, "retailflow_daily", RUN, "bronze.orders", -1)
    assert instance_of(name()) == (whose, 1)
    found, number = instance_of(name("silver.feed", 2, index=", 7"))
    assert (found.task_id, found.map_index, number) == ("silver.feed", 7, 2)
    assert instance_of("a notebook of somebody") is None


@pytest.fixture
def server(tmp_path, monkeypatch):
    with serving(tmp_path, "--max-concurrent-runs", "30") as running:
        port = int(running.url.rsplit(":", 1)[1])
        connection = {"conn_type": "databricks", "schema": "http", "host": "127.0.0.1", "port": port, "password": TOKEN}
        if "AIRFLOW_HOME" not in os.environ:
            monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
        monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(connection))
        monkeypatch.setattr(reaper, "airflow_mark", lambda: MARK)
        yield running


def airflow_knows(states: dict[str, str | None]) -> SimpleNamespace:
    """Return a task instance that answers as Airflow does, with these states of the tasks of RUN."""

    def get_task_states(dag_id, run_ids, task_ids, map_index):
        assert dag_id == "retailflow_daily"
        (task,) = task_ids
        return {RUN: {task: states[task]}} if run_ids == [RUN] and task in states else {}

    return SimpleNamespace(get_task_states=get_task_states)


def test_only_runs_whose_try_has_ended_are_canceled(server):
    kept = [
        name("bronze.orders", 2),  # its task runs
        name("silver.orders"),  # its task is deferred
        name("silver.orders", environment="stg"),
        name("silver.stores", run="manual__dags_test"),  # this Airflow does not know it any more
        name("bronze.stores", mark="00aa11bb"),  # of another Airflow, which has runs of the same ids
        "a notebook of somebody",
    ]
    canceled = [
        name("bronze.orders", 1),  # cleared; try 2 runs
        name("bronze.stores"),
        name("bronze.payments"),
        name("gold.dim_store"),
    ]
    runs = {server.submit(FOREVER, run_name=run): run for run in kept + canceled}
    for _ in range(21):  # more than a page of runs
        runs[server.submit(FOREVER, run_name="another")] = "another"
    states = {"bronze.orders": "running", "silver.orders": "deferred", "bronze.stores": "up_for_retry"}
    reap("prod", ti=airflow_knows(states | {"bronze.payments": "success", "gold.dim_store": None}))
    ended = {run: server.ended(run_id)["state"]["result_state"] for run_id, run in runs.items() if run in canceled}
    assert ended == dict.fromkeys(canceled, "CANCELED")
    assert [run for run_id, run in runs.items() if run not in canceled and server.run(run_id)["end_time"]] == []
