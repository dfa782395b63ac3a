"""The runs that Airflow makes, from the DAG as the scheduler reads it: serialized and read back."""

from datetime import UTC, datetime

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.interval import CronDataIntervalTimetable

from retailflow_airflow.replay import SWEEP_HOUR
from retailflow_airflow.schedule import CronUntil


@pytest.fixture
def scheduled(dags_in):
    def read_back(environment, dag_id="retailflow_daily"):
        return DagSerialization.from_dict(DagSerialization.to_dict(dags_in(environment)[dag_id]))

    return read_back


def days(dag, first, last):
    return [str(info.logical_date) for info in dag.iter_dagrun_infos_between(first, last)]


def test_a_backfill_makes_a_run_a_day_whose_logical_date_is_that_day(scheduled):
    first, last = datetime(2026, 1, 9, tzinfo=UTC), datetime(2026, 1, 10, 23, 59, tzinfo=UTC)
    assert days(scheduled("local"), first, last) == ["2026-01-09 02:00:00+00:00", "2026-01-10 02:00:00+00:00"]


def test_on_a_laptop_the_last_day_gets_a_run_and_the_day_after_none(scheduled):
    first, last = datetime(2026, 6, 29, 12, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)
    assert days(scheduled("local"), first, last) == ["2026-06-30 02:00:00+00:00"]


def test_on_a_laptop_the_clock_starts_nothing(scheduled, dags_in):
    dags = [scheduled("local", dag_id) for dag_id in dags_in("local")]
    assert {dag.dag_id for dag in dags if isinstance(dag.timetable, CronUntil)} >= {"retailflow_daily"}
    assert [dag.dag_id for dag in dags if dag.next_dagrun_info(last_automated_run_info=None)] == []


def test_a_triggered_run_on_a_laptop_is_not_blocked_by_an_end_date(scheduled):
    dag = scheduled("local")
    assert dag.end_date is None
    assert [task.end_date for task in dag.tasks if task.end_date] == []


def test_in_the_cloud_the_clock_starts_the_day_that_has_ended(scheduled):
    dag = scheduled("prod")
    assert type(dag.timetable) is CronDataIntervalTimetable
    info = dag.next_dagrun_info(last_automated_run_info=None)
    assert (info.logical_date.hour, info.run_after.hour) == (2, 2)
    assert info.run_after.diff(info.logical_date).in_hours() == 24


def test_in_the_cloud_late_batches_are_looked_for_each_hour(scheduled):
    info = scheduled("prod", "retailflow_late_batches").next_dagrun_info(last_automated_run_info=None)
    assert info.run_after.diff(info.logical_date).in_minutes() == 60


def test_one_of_the_runs_of_a_day_looks_for_late_batches_of_all_dates(scheduled):
    day = datetime(2026, 8, 1, tzinfo=UTC)
    runs = scheduled("prod", "retailflow_late_batches").iter_dagrun_infos_between(day, day.replace(day=2))
    assert [str(info.run_after) for info in runs if info.run_after.hour == SWEEP_HOUR] == ["2026-08-01 05:20:00+00:00"]


def test_the_first_date_is_the_first_that_can_run(scheduled):
    assert str(scheduled("local").start_date) == "2015-01-01 00:00:00+00:00"
