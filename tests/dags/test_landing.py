"""How long a sensor waits for a delivery, whatever happens to its tries."""

from copy import copy
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from retailflow_airflow import landing


@pytest.fixture
def left(daily, clock, monkeypatch):
    """`left("2026-01-16T10:00", ask)`: the hours that a try at that moment goes on waiting."""
    sensor = copy(daily.get_task("raw.stores"))
    monkeypatch.setattr(landing, "datetime", clock)
    monkeypatch.setattr(sensor, "poke", lambda context: False)

    def hours(now, started="2026-01-16T02:00", ask=sensor.execute):
        clock.at = datetime.fromisoformat(now).replace(tzinfo=UTC)
        logical = datetime(2026, 1, 15, 2, tzinfo=UTC)
        run = SimpleNamespace(
            logical_date=logical,
            run_after=logical + timedelta(days=1),
            start_date=datetime.fromisoformat(started).replace(tzinfo=UTC),
        )
        with pytest.raises(TaskDeferred) as deferred:
            ask({"dag_run": run, "params": {}})
        return deferred.value.timeout / timedelta(hours=1)

    hours.sensor = sensor
    return hours


def test_all_tries_of_a_run_wait_until_the_same_moment(left):
    assert [left(f"2026-01-16T{hour}:00") for hour in ("02", "10", "21")] == [20, 12, 1]


def test_a_run_that_is_started_later_waits_as_long_from_then(left):
    assert left("2026-01-17T10:00", started="2026-01-17T09:00") == 19


def test_an_error_of_the_trigger_costs_no_try_and_begins_no_wait_anew(left):
    def after_the_error(context):
        left.sensor.execute_complete(context, {"status": "error", "message": "connection reset"})

    assert left("2026-01-16T12:00", ask=after_the_error) == 10


def test_storage_that_refuses_the_task_too_fails_the_try(left, monkeypatch):
    def refused(context):
        raise PermissionError("403")

    monkeypatch.setattr(left.sensor, "poke", refused)
    with pytest.raises(PermissionError):
        left(
            "2026-01-16T12:00",
            ask=lambda context: left.sensor.execute_complete(context, {"status": "error", "message": "x"}),
        )


def test_after_that_moment_it_looks_once_and_gives_up_without_a_retry(left):
    with pytest.raises(
        AirflowSensorTimeout, match=r"_SUCCESS is not there; this task waited for it until 2026-01-16 22:00 UTC"
    ):
        left("2026-01-16T22:01")
