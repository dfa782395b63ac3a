"""Parts of the whole stack die during a replay. After Airflow's usual retries, the tables equal those of clean runs."""

import json

import pytest
from pipeline import put

from retailflow.raw import complete

from .records import OF, day_of
from .stack import Fault, FaultyWorkspace, Stack, answer_lost, killed, paused, task_process_killed

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(5400)]

BRONZE, SILVER = "bronze.feed", "silver.feed"
FAULTS = [
    *(Fault("Spark server killed", task, killed("spark")) for task in (BRONZE, SILVER)),
    *(Fault("Jobs API killed", task, killed("jobs")) for task in (BRONZE, SILVER)),
    *(Fault("triggerer killed", task, killed("airflow-triggerer")) for task in (BRONZE, SILVER)),
    *(Fault("answer to submit lost", task, answer_lost, is_early=True) for task in (BRONZE, SILVER)),
    *(Fault("task process killed", task, task_process_killed(task), is_early=True) for task in (BRONZE, SILVER)),
    Fault("RAW paused for 8 seconds", BRONZE, paused("azurite", 8)),
    Fault("RAW killed", BRONZE, killed("azurite")),
]


@pytest.fixture
def stack(tmp_path, matrix):
    workspace = FaultyWorkspace(tmp_path)
    with workspace.running(airflow=True):
        yield Stack(workspace, matrix)


def test_a_stack_that_loses_a_part_in_the_middle_of_a_replay_leaves_what_clean_runs_leave(stack):
    days = [day_of(number) for number in range(len(FAULTS))]
    for number, day in enumerate(days):
        put(stack.raw, "payments", day, *map(json.dumps, OF["payments"](number)))
        complete(stack.raw, "payments", day)
    for fault, day, wanted in zip(FAULTS, days, stack.clean(days), strict=True):
        stack.cell(fault, day, wanted)
    stack.matrix.save("stack")
    assert stack.matrix.broken("stack") == []
