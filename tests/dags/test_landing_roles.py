"""With only the right to read RAW, a sensor and its trigger see a delivery through Airflow's connection.

A shared access signature of the emulator replaces the role of Azure.
"""

import asyncio
import json
from contextlib import aclosing
from copy import copy
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred
from azure.core.exceptions import HttpResponseError
from pipeline import connection_string, container_name

from retailflow.raw import SUCCESS, complete, day_path
from retailflow_local.azurite import DATA_ACTIONS

DAY = date(2026, 1, 15)
ALL_BUT_READ = set(DATA_ACTIONS["eraser"]) - {"read"}


@pytest.fixture
def allow(workspace, raw, monkeypatch):
    """`allow(actions)` gives Airflow's connection these data actions of Azure."""

    def connect(actions):
        wasb = {"conn_type": "wasb", "extra": {"connection_string": connection_string(workspace, raw, actions)}}
        monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(wasb))

    return connect


@pytest.fixture
def sensor(daily, raw):
    sensor = copy(daily.get_task("raw.stores"))
    sensor.container_name, sensor.blob_name = container_name(raw), f"{day_path('stores', DAY)}/{SUCCESS}"
    return sensor


@pytest.fixture
def context():
    now = datetime.now(UTC)
    run = SimpleNamespace(logical_date=now - timedelta(days=1), run_after=now, start_date=now)
    return {"dag_run": run, "params": {}}


def deferred(sensor, context):
    """Return the trigger that waits for the delivery."""
    with pytest.raises(TaskDeferred) as found:
        sensor.execute(context)
    return found.value.trigger


def event_of(trigger) -> dict[str, str]:
    async def first() -> dict[str, str]:
        async with aclosing(trigger.run()) as events:
            return (await anext(events)).payload

    return asyncio.run(first())


def test_airflow_sees_a_delivery_with_the_actions_of_its_role(allow, sensor, context, raw):
    allow(DATA_ACTIONS["airflow"])
    trigger = deferred(sensor, context)
    complete(raw, "stores", DAY)
    event = event_of(trigger)
    assert event["status"] == "success"
    sensor.execute_complete(context, event)
    sensor.execute(context)


def test_without_the_right_to_read_neither_the_trigger_nor_the_sensor_sees_it(allow, sensor, context, raw):
    allow(DATA_ACTIONS["airflow"])
    trigger = deferred(sensor, context)
    complete(raw, "stores", DAY)
    allow(ALL_BUT_READ)
    event = event_of(trigger)
    assert event["status"] == "error"
    with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
        sensor.execute_complete(context, event)
