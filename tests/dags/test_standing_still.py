"""The cost of a day with nothing to do: queries to the SQL warehouse and starts of serverless compute.

A simulated clock runs the watch every 5 minutes. Airflow, its Variables, the warehouse and the mail are stand-ins.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.serialization.serialized_objects import DagSerialization

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow import unmailed, watch
from retailflow_airflow.incident.culprit import DAILY, tasks_before
from retailflow_airflow.missing import Known
from retailflow_airflow.page.airflow_states import WRITERS

TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 1, day) for day in (13, 14, 15))
TABLES = [one.table for one in watch.deadlines(TUESDAY)]
TASKS = [*dict.fromkeys(task for table in TABLES for task in tasks_before(table)), "gold.publish"]
PAYMENTS = ("silver.payments", "gold.payment_reconciliation")
WAITING = ("raw.payments", "bronze.payments", *PAYMENTS, "gold.publish")
# An ingestion for each API, BRONZE and SILVER for each feed, the tables of GOLD, and one publication.
DAY_RUNS = sum(2 + (feed.delivery == "api") for feed in feeds()) + len(gold_tables()) + 1
SCALING = (Path(__file__).parents[2] / "docs" / "SCALING.md").read_text()


def at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), UTC)


def starts(day: date) -> datetime:
    """Return when the clock starts the run for the ingestion date."""
    return at(day + timedelta(days=1), "02:00")


class Airflow:
    """Answers as a task instance does. The clock's run of each day completes a task every 2 minutes."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.ends: dict[date, dict[str, datetime | None]] = {}
        for day in (TUESDAY, WEDNESDAY):
            self.ends[day] = {task: starts(day) + n * timedelta(minutes=2) for n, task in enumerate(TASKS, 1)}
        self.others: list[tuple[str, str, datetime]] = []  # DAG and task of other runs, and when it succeeds

    def _states(self, logical_dates=None) -> dict[date, dict[str, str | None]]:
        return {
            day: {task: self._state(end) for task, end in ends.items()}
            for day, ends in self.ends.items()
            if self.clock.at >= starts(day) and (logical_dates is None or at(day, "02:00") in logical_dates)
        }

    def _state(self, end: datetime | None) -> str | None:
        return end and ("success" if end <= self.clock.at else "scheduled")

    def get_task_states(self, dag_id, logical_dates):
        return {f"scheduled__{day}": states for day, states in self._states(logical_dates).items()}

    def get_ti_count(self, dag_id, task_ids, states):
        runs = self._states().values() if dag_id == DAILY else []
        others = sum(end <= self.clock.at for dag, task, end in self.others if dag == dag_id and task in task_ids)
        return others + sum(found.get(task) in states for found in runs for task in task_ids)

    def get_dr_count(self, dag_id, states, logical_dates=None):
        runs = self._states(logical_dates).values() if dag_id == DAILY else []
        return sum(("success" if set(found.values()) == {"success"} else "running") in states for found in runs)

    def xcom_pull(self, **_):
        return None


class Variables:
    def __init__(self, **values) -> None:
        self._texts = {key: json.dumps(value) for key, value in values.items()}

    def get(self, key, default=None, deserialize_json=True):
        return json.loads(self._texts[key]) if key in self._texts else default

    def set(self, key, value, serialize_json):
        self._texts[key] = json.dumps(value)

    def keys(self, prefix):
        return [key for key in self._texts if key.startswith(prefix)]


class Warehouse:
    """Knows the tables that runs other than the clock's built for Tuesday. `asked` has the moments of the queries."""

    def __init__(self, clock) -> None:
        self.clock, self.asked = clock, []
        self.made: dict[str, datetime] = {}
        self.is_up_at: datetime | None = None

    def rows(self, statement, **parameters):
        if self.asked[-1:] != [self.clock.at]:
            self.asked.append(self.clock.at)
        if self.is_up_at and self.clock.at < self.is_up_at:
            raise RuntimeError("The warehouse does not answer.")
        found = self.made.items() if parameters.get("day") == TUESDAY else []
        return [{"name": name} for name, moment in found if moment <= self.clock.at]


@pytest.fixture
def airflow(clock):
    return Airflow(clock)


@pytest.fixture
def warehouse(clock):
    return Warehouse(clock)


@pytest.fixture
def watched(airflow, warehouse, clock, monkeypatch):
    """`watched(WEDNESDAY)`: the looks of that day that asked the warehouse, the mails, and the looks that published."""
    mails = []

    def send(card, *_):
        mails.append(f"{clock.at:%H:%M} {card.facts.event} {card.facts.subject}")

    known = {"days": Known(until=TUESDAY - timedelta(days=1)).kept, "since": "2026-01-01T00:00:00+00:00"}
    variables = Variables(retailflow_watch=known)
    for module in (watch, unmailed):
        monkeypatch.setattr(module, "Variable", variables)
    monkeypatch.setattr(watch, "datetime", clock)
    monkeypatch.setattr(watch, "Warehouse", lambda env: warehouse)
    monkeypatch.setattr(watch.mail, "send", send)

    def through(day):
        mails.clear(), warehouse.asked.clear()
        published = []
        for number in range(24 * 12):
            clock.at = at(day, "00:00") + number * timedelta(minutes=5)
            if watch.check_deadlines("prod", ti=airflow):
                published.append(f"{clock.at:%H:%M}")
        return [f"{moment:%H:%M}" for moment in warehouse.asked], list(mails), published

    return through


def test_on_a_quiet_day_the_watch_never_asks_the_warehouse(watched):
    assert watched(WEDNESDAY) == ([], [], [])


def test_while_a_feed_is_late_for_days_the_warehouse_is_asked_once_an_hour(airflow, watched):
    """Also at a deadline, and when another run makes the same table: only the warehouse knows for which day."""
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING)
    first, mails, published = watched(WEDNESDAY)
    assert mails == ["04:00 missed silver.payments", "05:15 missed gold.payment_reconciliation"]
    done = max(end for end in airflow.ends[TUESDAY].values() if end)
    assert len(published) == 1 and published[0] >= f"{done:%H:%M}"
    assert "| publications that it starts, each one start of compute | 0 | 1 | 0 |" in SCALING
    assert first == ["04:00", "05:00", *(f"{hour:02}:15" for hour in range(5, 24))]
    second, mails, published = watched(THURSDAY)
    assert (mails, published) == ([], [])
    assert second == sorted([*(f"{hour:02}:15" for hour in range(24)), "02:40"])
    assert f"| looks of the watch that ask the warehouse | 0 | {len(first)} | {len(second)} |" in SCALING
    for minutes in (10, 5, 1):
        hours = [f"{len(looks) * minutes / 60:.1f}" for looks in (first, second)]
        assert f"| … hours that it runs for them, auto-stop {minutes} min | 0 | {' | '.join(hours)} |" in SCALING


def test_a_table_that_the_day_s_own_run_makes_is_recovered_at_the_next_look(airflow, watched):
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING, at(WEDNESDAY, "10:07"))
    _, mails, _ = watched(WEDNESDAY)
    assert mails[2:] == ["10:10 recovered silver.payments"]


@pytest.mark.parametrize(
    ("dag", "task"), [("retailflow_replay", "silver.feed"), (DAILY, "silver.payments")], ids=["replay", "form"]
)
def test_a_table_that_another_run_makes_is_recovered_at_the_next_look(airflow, warehouse, watched, dag, task):
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING)
    warehouse.made = {"silver.payments": at(WEDNESDAY, "10:06")}
    airflow.others = [(dag, task, at(WEDNESDAY, "10:07"))]
    _, mails, _ = watched(WEDNESDAY)
    assert mails[2:] == ["10:10 recovered silver.payments"]


def test_a_table_that_a_job_outside_airflow_makes_is_recovered_within_the_hour(airflow, warehouse, watched):
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING)
    warehouse.made = {"silver.payments": at(WEDNESDAY, "10:16")}
    _, mails, _ = watched(WEDNESDAY)
    assert mails[2:] == ["11:15 recovered silver.payments"]


def test_a_table_that_a_replay_made_before_its_deadline_is_asked_for_once_and_never_mailed(airflow, warehouse, watched):
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING)
    warehouse.made = dict.fromkeys(PAYMENTS, at(WEDNESDAY, "03:00"))
    asked, mails, _ = watched(WEDNESDAY)
    assert (asked, mails) == (["04:00"], [])


def test_a_warehouse_that_does_not_answer_is_asked_again_at_the_next_look(airflow, warehouse, watched):
    airflow.ends[TUESDAY] |= dict.fromkeys(WAITING)
    warehouse.made = {"silver.payments": at(WEDNESDAY, "03:00")}
    warehouse.is_up_at = at(WEDNESDAY, "04:12")
    asked, mails, _ = watched(WEDNESDAY)
    assert asked[:4] == ["04:00", "04:05", "04:10", "04:15"]
    assert mails[:2] == ["04:00 missed silver.payments", "04:15 recovered silver.payments"]


# Serverless compute


def submitting(dags) -> dict[str, list[DatabricksSubmitRunOperator]]:
    """Return the tasks that start a Databricks run, by DAG."""
    found = {name: [t for t in dag.tasks if isinstance(t, DatabricksSubmitRunOperator)] for name, dag in dags.items()}
    return {name: tasks for name, tasks in found.items() if tasks}


def runs_when_idle(task) -> bool:
    """True if a run with nothing to do starts the task. A plan without items skips the tasks after it."""
    follows = any(isinstance(one, ShortCircuitOperator) for one in task.get_flat_relatives(upstream=True))
    return not follows or task.trigger_rule == "none_failed"


def test_a_quiet_day_starts_compute_for_the_day_for_upkeep_and_for_chores(dags_in):
    dags, starts_of = dags_in("prod"), {}
    for name, tasks in submitting(dags).items():
        dag = DagSerialization.from_dict(DagSerialization.to_dict(dags[name]))
        runs = len(list(dag.iter_dagrun_infos_between(at(TUESDAY, "00:00"), at(TUESDAY, "23:59"))))
        if runs:
            starts_of[name] = runs * sum(map(runs_when_idle, tasks))
    assert starts_of == {
        "retailflow_daily": DAY_RUNS,
        "retailflow_erase": 2,
        "retailflow_job_monitor": 4,
        "retailflow_late_batches": 24,
        "retailflow_maintenance": 4,
    }
    assert "| starts of serverless compute beside those of the day | 34 |" in SCALING


def test_only_jobs_that_a_person_or_a_deadline_waits_for_are_performance_optimized(dags_in):
    def targets(environment):
        found = submitting(dags_in(environment)).items()
        return {name: {task.json["performance_target"] for task in tasks} for name, tasks in found}

    nobody_waits = {"retailflow_job_monitor", "retailflow_late_batches", "retailflow_maintenance"}
    assert targets("prod") == {
        name: {"STANDARD" if name in nobody_waits else "PERFORMANCE_OPTIMIZED"} for name in submitting(dags_in("prod"))
    }
    assert set().union(*targets("dev").values()) == {"STANDARD"}


def test_the_page_reads_the_run_log_again_after_each_dag_that_writes_to_it(dags_in):
    assert set(WRITERS) == set(submitting(dags_in("prod"))) - {"retailflow_job_monitor", "retailflow_late_batches"}
