from datetime import UTC, date, datetime, timedelta

import pytest

from retailflow.contracts import feed_contract, gold_table
from retailflow.environments import load_environment
from retailflow_airflow.page import cells
from retailflow_airflow.page.airflow_states import Task
from retailflow_airflow.page.cells import Board, spoken
from retailflow_airflow.page.run_log import RunLog

DAY = date(2026, 1, 15)
RUN = "scheduled__2026-01-16T02:00:00+00:00"
ORDERS, FACT_SALES = feed_contract("orders"), gold_table("fact_sales")  # due at 04:00 and 05:00


def at(clock: str, day: int = 16) -> datetime:
    return datetime.fromisoformat(f"2026-01-{day}T{clock}+00:00")


def run(ended: str = "03:00", first_dag_run_id: str = RUN, **fields) -> dict:
    row = {"first_ended_at": at(ended), "started_at": at("02:30"), "first_dag_run_id": first_dag_run_id}
    return row | {"versions_after": {}, "seconds": 9.0, "built_with": None} | fields


def state(layer="silver", contract=ORDERS, task=None, now=at("12:00"), **run_log) -> cells.State:  # noqa: B008
    tasks = {} if task is None else {(DAY, f"{layer}.{contract.name}"): task}
    return Board(load_environment("prod"), RunLog(**run_log), tasks, now).cell(layer, contract, DAY).state


def silver(**fields) -> dict:
    return {"runs": {("silver", "orders", DAY): run(**fields)}}


def balance(is_closed: bool) -> dict:
    return {"balances": {("orders", DAY): {"is_closed": is_closed, "quarantined_count": 0}}}


def test_done_by_the_deadline_is_done_and_later_is_late():
    assert state(**silver(ended="04:00")) is cells.DONE
    assert state(**silver(ended="04:01")) is cells.LATE


def test_a_run_that_the_clock_did_not_start_is_never_late():
    assert state(**silver(ended="23:00", first_dag_run_id="backfill__2026-01-16T02:00:00+00:00")) is cells.DONE
    assert state(**silver(ended="23:00", first_dag_run_id=None)) is cells.DONE


def test_a_day_within_the_history_that_nobody_has_run_is_overdue_after_its_deadline():
    history = {"runs": {("silver", "orders", DAY - timedelta(days=1)): run()}}
    assert state(**history, now=at("03:59")) is cells.NONE
    assert state(**history, now=at("04:01")) is cells.OVERDUE
    assert state(**history, layer="bronze", now=at("04:01")) is cells.NONE
    later = {"runs": {("silver", "orders", DAY + timedelta(days=1)): run()}}
    assert state(**later) is cells.NONE


def test_a_missing_day_is_shown_as_such_where_nothing_of_it_ran():
    def shown(layer: str, task: Task | None = None, **run_log) -> cells.State:
        tasks = {} if task is None else {(DAY, f"{layer}.orders"): task}
        return (
            Board(load_environment("prod"), RunLog(**run_log), tasks, at("12:00"), [DAY]).cell(layer, ORDERS, DAY).state
        )

    assert [shown(layer) for layer in ("raw", "bronze", "silver")] == [cells.MISSING] * 3
    assert shown("silver", Task(RUN, None, 0, None)) is cells.MISSING  # of a run that its backfill did not start
    assert shown("silver", Task(RUN, "failed", 3, at("02:20"))) is cells.FAILED
    assert shown("silver", **silver()) is cells.DONE


def test_a_balance_that_does_not_close_is_worse_than_late():
    assert state(**silver(ended="06:00"), **balance(False)) is cells.UNBALANCED
    assert state(**silver(), **balance(True)) is cells.DONE


@pytest.mark.parametrize(("released", "expected"), [(7, cells.DONE), (8, cells.DONE), (6, cells.UNPUBLISHED)])
def test_a_table_that_readers_do_not_see_yet_is_shown_as_not_published(released, expected):
    built = {("gold", "fact_sales", DAY): run(versions_after={"gold.fact_sales": 7})}
    release = {"release": 3, "versions": {"gold.fact_sales": released}}
    assert state("gold", FACT_SALES, runs=built, release=release) is expected


@pytest.mark.parametrize(
    ("airflow", "layer", "expected"),
    [
        ("failed", "silver", cells.FAILED),
        ("upstream_failed", "silver", cells.BLOCKED),
        ("deferred", "raw", cells.WAITING),
        ("deferred", "silver", cells.RUNNING),
        ("up_for_retry", "silver", cells.RUNNING),
        ("success", "raw", cells.DONE),
    ],
)
def test_airflow_says_what_the_run_log_cannot(airflow, layer, expected):
    assert state(layer, task=Task(RUN, airflow, 1, at("02:20"))) is expected


def test_a_later_success_as_of_a_replay_replaces_a_failure():
    failed = Task(RUN, "failed", 3, at("02:20"))
    assert state(task=failed, **silver(started_at=at("09:00"), ended="03:00")) is cells.DONE
    assert state(task=failed, **silver(started_at=at("02:10"))) is cells.FAILED


def test_freshness_is_relative_to_the_deadline():
    def freshness(**fields) -> str:
        board = Board(load_environment("prod"), RunLog(**silver(**fields)), {}, datetime.now(UTC))
        return board.cell("silver", ORDERS, DAY).freshness

    assert freshness(ended="03:38") == "22 min early"
    assert freshness(ended="06:05") == "2 h 05 late"
    assert freshness(first_dag_run_id="manual__x") == "not scheduled"


def test_a_day_is_represented_by_the_worst_of_its_layers():
    runs = {("bronze", "orders", DAY): run(), **silver(ended="05:00")["runs"]}
    board = Board(load_environment("prod"), RunLog(runs=runs), {}, at("12:00"))
    assert board.worst(ORDERS, DAY).task_id == "silver.orders"


def test_only_known_layers_and_names_have_a_contract():
    assert cells.contract_of("silver", "orders") is ORDERS
    assert [cells.contract_of(*wrong) for wrong in (("gold", "orders"), ("ops", "orders"), ("silver", "x"))] == [
        None
    ] * 3


def test_spans_are_written_in_short_form():
    spans = (timedelta(seconds=38), timedelta(minutes=12), timedelta(hours=3, minutes=5), timedelta(days=9, hours=3))
    assert [spoken(span) for span in spans] == ["38 s", "12 min", "3 h 05", "9 d"]
