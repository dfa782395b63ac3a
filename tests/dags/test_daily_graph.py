"""Edges follow the data."""

import pytest
from airflow.sdk import Asset

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow.wiring import GOLD_DAY

GOLD = {f"gold.{table.name}" for table in gold_tables()}


def test_each_feed_goes_from_raw_to_silver_by_itself(daily):
    layers = ("raw", "bronze", "silver")
    upstream = {t.task_id: sorted(t.upstream_task_ids) for t in daily.tasks if t.task_id.split(".")[0] in layers}
    expected = {"raw.ingest_customers": [], "raw.ingest_orders": []}
    for feed in (feed.name for feed in feeds()):
        expected[f"raw.{feed}"] = [f"raw.ingest_{feed}"] if feed in ("customers", "orders") else []
        expected[f"bronze.{feed}"] = [f"raw.{feed}"]
        expected[f"silver.{feed}"] = [f"bronze.{feed}"]
    assert upstream == expected


def test_a_gold_table_waits_for_the_makers_of_its_sources_and_for_nothing_else(daily):
    upstream = {name: daily.get_task(name).upstream_task_ids for name in GOLD}
    sources = {f"gold.{table.name}": {s.removesuffix("_history") for s in table.sources} for table in gold_tables()}
    assert upstream == sources
    assert upstream


def test_customer_history_is_built_after_the_silver_customers(daily):
    assert daily.get_task("gold.dim_customer").upstream_task_ids == {"silver.customers"}


@pytest.mark.parametrize("dag_id", ["retailflow_daily", "retailflow_replay", "retailflow_erase"])
def test_only_the_last_task_reports_that_gold_is_whole_and_not_if_nothing_was_built(dags_in, dag_id):
    """With an event for each table, a partial run would leave events that start readers amid the next night."""
    dag = dags_in("prod")[dag_id]
    outlets = {task.task_id: [one.name for one in task.outlets if isinstance(one, Asset)] for task in dag.tasks}
    assert {name: found for name, found in outlets.items() if found} == {"complete": ["gold.day"]}
    assert dag.get_task("complete").trigger_rule == "none_failed_min_one_success"


@pytest.mark.parametrize("dag_id", ["retailflow_marts", "retailflow_data_tests"])
def test_readers_of_whole_days_start_by_that_alone(dags_in, dag_id):
    assert dags_in("prod")[dag_id].schedule == GOLD_DAY


@pytest.mark.parametrize("dag_id", ["retailflow_daily", "retailflow_replay"])
def test_readers_get_all_tables_at_once_when_the_last_is_done_whatever_became_of_the_others(dags_in, dag_id):
    publish = dags_in("local")[dag_id].get_task("gold.publish")
    assert (publish.upstream_task_ids, publish.trigger_rule) == (GOLD, "all_done")


@pytest.mark.parametrize("dag_id", ["retailflow_daily", "retailflow_replay"])
def test_a_run_is_no_success_where_any_task_has_failed(dags_in, dag_id):
    """Airflow derives the state of a run from its leaves."""
    complete = dags_in("local")[dag_id].get_task("complete")
    assert complete.upstream_task_ids == GOLD | {"gold.publish"}
    assert complete.downstream_task_ids == set()


def test_a_sensor_waits_for_the_success_file_of_its_feed_and_day(daily):
    sensor = daily.get_task("raw.stores")
    assert (sensor.container_name, sensor.poke_interval, sensor.timeout) == ("raw", 2, 72000)
    assert sensor.blob_name == "stores/ingestion_date={{ ingestion_date(dag_run, params) }}/_SUCCESS"


def test_a_day_that_waits_holds_up_no_other_and_the_clock_never_catches_up(daily):
    assert (daily.max_active_runs, daily.catchup) == (4, False)
