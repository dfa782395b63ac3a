"""Edges follow the data."""

from airflow.sdk import Asset

from retailflow.contracts import gold_tables

ENTITIES = ["clickstream", "customers", "inventory", "orders", "payments", "products", "store_sales", "stores"]


def test_each_entity_goes_from_raw_to_silver_by_itself(daily):
    upstream = {task.task_id: sorted(task.upstream_task_ids) for task in daily.tasks if task.task_id[:4] != "gold"}
    expected = {"raw.ingest_customers": [], "raw.ingest_orders": []}
    for entity in ENTITIES:
        expected[f"raw.{entity}"] = [f"raw.ingest_{entity}"] if entity in ("customers", "orders") else []
        expected[f"bronze.{entity}"] = [f"raw.{entity}"]
        expected[f"silver.{entity}"] = [f"bronze.{entity}"]
    assert upstream == expected


def test_a_gold_table_waits_for_the_makers_of_its_sources_and_for_nothing_else(daily):
    upstream = {task.task_id: task.upstream_task_ids for task in daily.tasks if task.task_id.startswith("gold.")}
    sources = {f"gold.{table.name}": {s.removesuffix("_versions") for s in table.sources} for table in gold_tables()}
    assert upstream == sources
    assert upstream


def test_customer_history_is_built_after_the_silver_customers(daily):
    assert daily.get_task("gold.dim_customer").upstream_task_ids == {"silver.customers"}


def test_each_gold_table_announces_itself_as_an_asset(daily):
    announced = {
        task.task_id: [(one.name, one.uri) for one in task.outlets if isinstance(one, Asset)]
        for task in daily.tasks
        if task.task_id.startswith("gold.")
    }
    assert announced["gold.daily_revenue_mart"] == [
        ("gold.daily_revenue_mart", "x-retailflow://gold/daily_revenue_mart")
    ]
    assert set(announced) == {f"gold.{table.name}" for table in gold_tables()}


def test_a_sensor_waits_for_the_success_file_of_its_entity_and_day(daily):
    sensor = daily.get_task("raw.stores")
    assert (sensor.container_name, sensor.poke_interval, sensor.timeout) == ("raw", 2, 72000)
    assert sensor.blob_name == "stores/ingestion_date={{ ingestion_date(dag_run, params) }}/_SUCCESS"


def test_scheduled_runs_go_one_at_a_time_and_never_catch_up(daily):
    assert (daily.max_active_runs, daily.catchup) == (1, False)
