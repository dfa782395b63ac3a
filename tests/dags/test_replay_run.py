"""The replay DAG, run by Airflow itself with its own database. The provider's hook replaces Databricks."""

import json
from collections import defaultdict
from itertools import takewhile
from pathlib import PurePath
from types import SimpleNamespace

import pytest
from airflow.models import DagRun
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
from airflow.sdk.exceptions import AirflowFailException

from retailflow.contracts import gold_tables
from retailflow.environments import load_environment
from retailflow_airflow import erase
from retailflow_airflow.replay import touched

PLAN = {"orders": {"2026-01-15": 10, "2026-01-16": None}, "stores": {"2026-01-16": 3}}
RANGE = {"date_from": "2026-01-15", "date_to": "2026-01-16"}


@pytest.fixture
def run(dags_in, database, monkeypatch):
    """`run(dag_id, plan, **form)`: runs the DAG; returns the tasks by state, with their index, and the jobs."""
    asked = []
    answer = {"run_id": 1, "job_id": 1, "run_page_url": "http://127.0.0.1/run/1"}
    # Databricks repeated the task, and lists both attempts.
    answer["tasks"] = [{"task_key": "plan", "run_id": run_id, "attempt_number": 3 - run_id} for run_id in (2, 3)]
    answer["state"] = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
    monkeypatch.setattr(DatabricksHook, "submit_run", lambda self, body: asked.append(body) or 1)
    monkeypatch.setattr(DatabricksHook, "get_job_id", lambda self, run_id: 1)
    monkeypatch.setattr(DatabricksHook, "get_run_page_url", lambda self, run_id: answer["run_page_url"])
    monkeypatch.setattr(DatabricksHook, "get_run", lambda self, run_id: answer)

    def through(dag_id, plan, **form):
        plans = {("raw", "_plans/2.json"): json.dumps(plan)}  # of the last attempt
        monkeypatch.setattr(WasbHook, "read_file", lambda self, *place: plans[place])
        dag_run = dags_in("local")[dag_id].test(run_conf=form)
        assert dag_run.state == "success"
        ended = defaultdict(set)
        for ti in dag_run.get_task_instances():
            ended[str(ti.state)].add(f"{ti.task_id} {ti.rendered_map_index or ''}".rstrip())
        return ended, [command(body["tasks"][0]["spark_python_task"]) for body in asked]

    return through


def command(job):
    """Return the job's name and its parameters, without the environment, the release and the caller."""
    given = takewhile(lambda word: word not in ("--dag-run", "--run-id"), job["parameters"][4:])
    return " ".join([PurePath(job["python_file"]).stem, *given])


def indices(layer):
    return {f"{layer}.feed {name}" for name in ("orders 2026-01-15", "orders 2026-01-16", "stores 2026-01-16")}


GOLD = {f"gold.{name}" for name in touched(PLAN)}
LAST = {"gold.publish", "complete"}


def test_the_tasks_of_the_plan_run_and_gold_that_it_does_not_touch_is_skipped(run):
    ended, asked = run("retailflow_replay", PLAN, **RANGE, dry_run=False)
    assert ended["success"] == {"plan", "read_plan"} | indices("bronze") | indices("silver") | GOLD | LAST
    assert {"gold.dim_customer", "gold.dim_date"} <= ended["skipped"]
    assert asked[0].startswith("plan --selection range --feeds clickstream,customers")
    assert sorted(one for one in asked if one.startswith("bronze")) == [
        "bronze --feed orders --date 2026-01-15",
        "bronze --feed orders --date 2026-01-16",
        "bronze --feed stores --date 2026-01-16",
    ]
    assert "gold --table fact_orders --date 2026-01-16" in asked
    assert len(asked) == 1 + 3 + 3 + len(GOLD) + 1


def test_a_layer_that_was_not_chosen_is_skipped_and_stops_no_other(run):
    ended, _ = run("retailflow_replay", PLAN, **RANGE, dry_run=False, layers=["bronze", "gold"])
    assert ended["success"] == {"plan", "read_plan"} | indices("bronze") | GOLD | LAST
    assert indices("silver") <= ended["skipped"]


def test_without_gold_nothing_is_published(run):
    ended, asked = run("retailflow_replay", PLAN, **RANGE, dry_run=False, layers=["bronze"])
    assert ended["success"] == {"plan", "read_plan"} | indices("bronze")
    assert len(asked) == 1 + 3


@pytest.mark.parametrize(("plan", "dry_run"), [(PLAN, True), ({}, False)])
def test_a_dry_run_and_one_that_finds_nothing_start_nothing(run, plan, dry_run):
    ended, asked = run("retailflow_replay", plan, **RANGE, dry_run=dry_run)
    assert ended["success"] == {"plan", "read_plan"}
    assert len(asked) == 1


def test_an_hour_without_late_batches_is_a_success_without_a_replay(run):
    ended, asked = run("retailflow_late_batches", {})
    assert (ended["success"], ended["skipped"]) == ({"plan", "read_found"}, {"replay"})
    assert asked[0].startswith("plan --selection late --feeds clickstream,customers")


def test_late_batches_start_a_replay_from_the_first_to_the_last_date_that_was_found(run):
    run("retailflow_replay", {}, **RANGE)  # Airflow now knows it
    ended, _ = run("retailflow_late_batches", PLAN, date_from="2026-01-01", date_to="2026-01-31")
    assert ended["success"] == {"plan", "read_found", "replay"}
    (started,) = DagRun.find(dag_id="retailflow_replay", state="queued")
    assert started.conf == {"selection": "late", **RANGE, "dry_run": False}


PERSON, CODE = "5" * 64, "a" * 12


def test_an_erasure_redacts_each_date_before_it_is_rebuilt_and_then_finishes(run):
    ended, asked = run(
        "retailflow_erase", {"orders": {"2026-01-15": 1}}, customers=[PERSON], confirm=CODE, settled_hours=0
    )
    gold = {f"gold.{table.name}" for table in gold_tables()}
    steps = ("redact", "bronze", "silver")
    assert ended["success"] == {
        *("find", "read_plan", "finish"),
        *(f"{step}.feed orders 2026-01-15" for step in steps),
        *gold,
        *LAST,
    }
    assert asked[0] == f"erase_find --customers {PERSON} --browsers none --confirm {CODE}"
    assert [job for job in asked if "feed orders --date" in job] == [
        f"{step} --feed orders --date 2026-01-15" for step in steps
    ]
    assert asked[-1] == "erase_finish --settled-hours 0"


def test_a_night_on_which_nobody_is_found_still_finishes_what_is_open(run):
    ended, asked = run("retailflow_erase", {}, customers=[], confirm=None, settled_hours=24)
    assert ended["success"] == {"find", "read_plan", "finish"}
    assert asked == [
        "erase_find --customers none --browsers none --confirm none",
        "erase_finish --settled-hours 24",
    ]


@pytest.mark.parametrize("user", ["on-call", None])
@pytest.mark.parametrize(
    "form", [{"customers": [PERSON]}, {"browsers": [PERSON]}, {"confirm": CODE}, {"settled_hours": 0}]
)
def test_only_a_privacy_user_may_have_a_person_erased(dags_in, monkeypatch, user, form):
    dag = dags_in("prod")["retailflow_erase"]
    allowed = load_environment("prod").model_copy(update={"privacy_users": ("dpo",)})
    monkeypatch.setattr(erase, "load_environment", lambda: allowed)
    params = {"customers": [], "browsers": [], "confirm": None, "settled_hours": 24}

    def rendered(**given):
        return [
            dag.task_dict[name].render_template(
                template, {"dag_run": SimpleNamespace(**given), "params": params | form}
            )
            for name, template in [*(("find", one) for one in erase.ASKED.values()), ("finish", erase.HOURS)]
        ]

    with pytest.raises(AirflowFailException, match="may not have a person erased"):
        rendered(triggering_user_name=user)
    rendered(triggering_user_name="dpo")
    form = {}
    rendered(triggering_user_name=user)


@pytest.mark.parametrize("wrong", ["C00000042", "5" * 63, "G" * 64])
def test_a_form_takes_no_id_of_a_customer(dags_in, wrong):
    with pytest.raises(ValueError, match="does not match"):
        dags_in("local")["retailflow_erase"].params.get_param("customers").resolve(value=[wrong])
