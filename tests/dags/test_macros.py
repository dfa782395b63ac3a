from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from retailflow_airflow.macros import ingestion_date

EMPTY_FORM = {"ingestion_date": None}


def run(logical_date=None, run_after=datetime(2026, 1, 16, 2, tzinfo=UTC)):
    return SimpleNamespace(logical_date=logical_date, run_after=run_after)


def test_a_scheduled_run_processes_the_day_of_its_logical_date():
    assert ingestion_date(run(datetime(2026, 1, 15, 2, tzinfo=UTC)), EMPTY_FORM) == "2026-01-15"


def test_the_day_is_that_of_utc():
    tokyo = timezone(timedelta(hours=9))
    assert ingestion_date(run(datetime(2026, 1, 15, 8, tzinfo=tokyo)), EMPTY_FORM) == "2026-01-14"


def test_the_form_wins_over_the_present_which_the_trigger_form_offers_as_logical_date():
    morning = datetime(2026, 1, 15, 8, tzinfo=UTC)
    form = {"ingestion_date": "2026-01-03"}
    assert ingestion_date(run(morning, run_after=morning + timedelta(hours=1)), form) == "2026-01-03"


@pytest.mark.parametrize("run_after", [datetime(2026, 1, 16, 2, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC)])
def test_a_form_that_contradicts_a_past_logical_date_is_refused(run_after):
    """The clock or a backfill makes the first run, a person who gives a logical date the second."""
    chosen = run(datetime(2026, 1, 15, 2, tzinfo=UTC), run_after)
    with pytest.raises(AirflowFailException) as refusal:
        ingestion_date(chosen, {"ingestion_date": "2026-01-03"})
    assert str(refusal.value) == (
        "ingestion_date 2026-01-03 contradicts the logical date 2026-01-15: start the run again with one of the two; "
        "a backfill with --reprocess-behavior failed --dag-run-conf '{}'."
    )
    assert ingestion_date(chosen, {"ingestion_date": "2026-01-15"}) == "2026-01-15"


def test_a_run_without_logical_date_processes_the_last_day_that_was_over():
    assert ingestion_date(run(run_after=datetime(2026, 1, 16, 0, 5, tzinfo=UTC)), EMPTY_FORM) == "2026-01-15"


@pytest.mark.parametrize(
    "wrong", ["2026-1-5", "20260115", "2026-02-30", "2026-W03-4", "yesterday", 20260115, "2026-01-15\n"]
)
def test_a_malformed_date_is_refused_with_a_sentence_and_without_a_retry(wrong):
    with pytest.raises(AirflowFailException) as refusal:
        ingestion_date(run(), {"ingestion_date": wrong})
    assert str(refusal.value) == (
        f"ingestion_date {wrong!r} is not a date of the form YYYY-MM-DD: trigger again with one like 2026-01-15."
    )


@pytest.mark.parametrize("days_ahead", [0, 1])
def test_a_day_that_is_not_over_is_refused(days_ahead):
    moment = datetime.now(UTC) + timedelta(days=days_ahead)
    with pytest.raises(AirflowFailException) as refusal:
        ingestion_date(run(logical_date=moment), EMPTY_FORM)
    assert str(refusal.value) == (
        f"{moment:%Y-%m-%d} is not over in UTC: trigger again with an earlier ingestion_date."
    )


def test_the_trigger_form_takes_a_date_or_nothing(daily):
    param = daily.params.get_param("ingestion_date")
    assert param.resolve() is None
    assert param.resolve(value="2026-01-15") == "2026-01-15"
    with pytest.raises(ValueError, match="'2026-1-5' is not a 'date'"):
        param.resolve(value="2026-1-5")
