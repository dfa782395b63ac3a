"""The form that the replay DAG requires, and the tasks that its tasks wait for."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
from airflow.sdk.exceptions import AirflowFailException
from azure.core.exceptions import ResourceNotFoundError

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow.replay import dates, plan_of, touched

RUN = SimpleNamespace(run_after=datetime(2026, 2, 1, 0, 30, tzinfo=UTC), run_type="manual")


@pytest.fixture(scope="session")
def replay(dags_in):
    return dags_in("local")["retailflow_replay"]


def form(first=None, last=None, selection="range"):
    return {"date_from": first, "date_to": last, "selection": selection}


def test_a_silver_index_waits_for_the_bronze_of_its_own_feed_and_date(replay):
    bronze, silver = replay.get_task("bronze.feed"), replay.get_task("silver.feed")
    assert bronze.upstream_task_ids == {"read_plan"}
    assert silver.upstream_task_ids == {"bronze.feed"}
    assert bronze.get_closest_mapped_task_group() is silver.get_closest_mapped_task_group() is not None


def test_gold_waits_as_on_a_day_with_one_silver_task_for_all_feeds(replay, daily):
    def upstream(dag, task_id):
        found = dag.get_task(task_id).upstream_task_ids - {"read_plan"}
        return {"silver.feed" if name.startswith("silver.") else name for name in found}

    gold = [f"gold.{table.name}" for table in gold_tables()]
    assert [task_id for task_id in gold if upstream(replay, task_id) != upstream(daily, task_id)] == []
    assert all("read_plan" in replay.get_task(task_id).upstream_task_ids for task_id in gold)


def test_only_so_many_indices_run_at_once_and_only_one_replay(replay):
    assert {replay.get_task(f"{layer}.feed").max_active_tis_per_dagrun for layer in ("bronze", "silver")} == {4}
    assert replay.max_active_runs == 1


def test_the_form_starts_as_a_dry_run_of_everything_and_refuses_what_there_is_not(replay):
    filled = replay.params.dump()
    assert (filled["dry_run"], filled["selection"], filled["layers"]) == (True, "range", ["bronze", "silver", "gold"])
    assert filled["feeds"] == [feed.name for feed in feeds()]
    for name, wrong in {"selection": "all", "feeds": ["order"], "layers": [], "date_from": "2026-1-5"}.items():
        with pytest.raises(ValueError, match=r"not one of|non-empty|not a 'date'"):
            replay.params.get_param(name).resolve(value=wrong)


def test_a_range_has_both_its_dates():
    assert dates(RUN, form("2026-01-01", "2026-01-31")) == (date(2026, 1, 1), date(2026, 1, 31))


def test_without_dates_the_last_seven_days_that_are_over_are_looked_at():
    assert dates(RUN, form(selection="late")) == (date(2026, 1, 25), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("run_type", "hour", "first"),
    [
        ("scheduled", 5, date(2026, 1, 1)),  # schedule.first_date of prod
        ("scheduled", 4, date(2026, 1, 31)),
        ("scheduled", 6, date(2026, 1, 31)),
        ("manual", 5, date(2026, 1, 31)),
    ],
)
def test_the_scheduled_run_of_one_hour_looks_at_all_dates_of_the_schedule(monkeypatch, run_type, hour, first):
    monkeypatch.setenv("RETAILFLOW_ENV", "prod")
    run = SimpleNamespace(run_after=datetime(2026, 2, 7, hour, 20, tzinfo=UTC), run_type=run_type)
    assert dates(run, {"date_from": None, "date_to": None}) == (first, date(2026, 2, 6))


@pytest.mark.parametrize("selection", ["late", "quarantined"])
def test_only_a_range_is_limited_since_the_others_rebuild_only_what_they_find(selection):
    far = ("2015-01-01", "2026-01-31")
    assert dates(RUN, form(*far, selection=selection)) == (date(2015, 1, 1), date(2026, 1, 31))
    assert dates(RUN, {"date_from": far[0], "date_to": far[1]}) == (date(2015, 1, 1), date(2026, 1, 31))


TODAY = datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("filled", "sentence"),
    [
        (form(), "date_from and date_to are both needed: trigger again with them."),
        (form("2026-01-01", selection="late"), "date_from and date_to are both needed: trigger again with them."),
        (form("2026-01-02", "2026-01-01"), "date_to 2026-01-01 is before date_from 2026-01-02"),
        (form("2026-01-01", "2026-1-2"), "date_to '2026-1-2' is not a date of the form YYYY-MM-DD"),
        (form("2025-01-01", "2026-02-05"), "2025-01-01 to 2026-02-05 are 401 days: trigger again with at most 400."),
        (form(str(TODAY - timedelta(days=1)), str(TODAY)), f"{TODAY} is not over in UTC"),
    ],
)
def test_a_form_that_makes_no_sense_fails_at_once_with_a_sentence(filled, sentence):
    with pytest.raises(AirflowFailException) as refusal:
        dates(RUN, filled)
    assert sentence in str(refusal.value)


def test_gold_tables_are_touched_through_the_tables_between():
    assert touched(["stores"]) == ["dim_store", "fact_sales", "daily_revenue_mart"]
    assert touched([]) == []


def test_a_run_that_left_no_plan_is_named(monkeypatch):
    def read(self, container, path):
        raise ResourceNotFoundError

    monkeypatch.setattr(WasbHook, "read_file", read)
    with pytest.raises(AirflowFailException, match=r"RAW has no _plans/7\.json: clear the task that plans"):
        plan_of(7)
