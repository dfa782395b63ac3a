"""When each table is promised, and which tasks lead to it."""

from datetime import UTC, date, datetime

import pytest

from retailflow.contracts import feed_contract, feeds, gold_tables
from retailflow.contracts.model import parse
from retailflow.environments import load_environment
from retailflow_airflow.incident.culprit import tasks_before
from retailflow_airflow.schedule import logical_dates
from retailflow_airflow.watch import Day, deadlines

DAY = date(2026, 1, 15)


def test_every_table_of_silver_and_gold_has_a_deadline_on_the_day_after():
    found = {one.table: one.at for one in deadlines(DAY)}
    assert set(found) == {one.silver.name for one in feeds()} | {one.table.name for one in gold_tables()}
    assert found["silver.orders"] == datetime(2026, 1, 16, 4, 0, tzinfo=UTC)
    assert found["gold.daily_revenue_mart"] == datetime(2026, 1, 16, 5, 15, tzinfo=UTC)


def test_gold_is_promised_no_earlier_than_what_it_is_built_from():
    at = {one.table: one.at for one in deadlines(DAY)}
    for table in gold_tables():
        for source in table.sources:
            assert at[source.removesuffix("_history")] <= at[table.table.name], (source, table.name)


def test_a_contract_without_a_time_in_utc_is_named():
    elsewhere = {"property": "timeOfAvailability", "value": "04:00", "unit": "Europe/Vienna"}
    with pytest.raises(ValueError, match="contract orders: slaProperties has no timeOfAvailability in UTC"):
        parse({**feed_contract("orders").document, "slaProperties": [elsewhere]}, "orders")


def test_the_way_to_a_table_is_that_of_the_daily_dag(daily):
    assert tasks_before("silver.orders") == ["raw.ingest_orders", "raw.orders", "bronze.orders", "silver.orders"]
    for one in deadlines(DAY):
        upstream = {task.task_id for task in daily.get_task(one.table).get_flat_relatives(upstream=True)}
        assert set(tasks_before(one.table)) == upstream | {one.table}


def test_the_culprit_is_the_first_task_on_the_way_that_has_not_succeeded():
    states = dict.fromkeys(tasks_before("gold.fact_orders"), "success") | {"gold.fact_orders": None}
    assert Day("run", states).culprit("gold.fact_orders") == "gold.fact_orders"
    assert Day("run", states | {"bronze.orders": "failed"}).culprit("gold.fact_orders") == "bronze.orders"
    assert Day(None, {}).culprit("gold.fact_orders") is None


def test_a_run_of_the_day_has_the_logical_date_of_the_clock_or_of_the_day_itself():
    assert logical_dates(load_environment("prod").schedule, DAY) == [
        datetime(2026, 1, 15, 0, 0, tzinfo=UTC),
        datetime(2026, 1, 15, 2, 0, tzinfo=UTC),
    ]
