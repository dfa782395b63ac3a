"""A job's parameters are refused with a sentence before anything runs."""

from datetime import date

import pytest

from retailflow_spark.job.entry import arguments, confirmation, digests, hours, ingestion_date

GOOD = ["--env", "local", "--feed", "orders", "--date", "2026-01-15"]


def test_good_arguments_are_taken():
    run = arguments("silver", "feed", ["orders"], GOOD)
    assert (run.environment.name, run.name, run.date) == ("local", "orders", date(2026, 1, 15))


def test_the_dag_run_and_the_try_are_kept_for_the_run_log():
    asked = ["--dag-run", "scheduled__2026-01-16T02:00:00+00:00", "--try", "2", "--run-id", "4711"]
    run = arguments("silver", "feed", ["orders"], GOOD + asked)
    assert (run.dag_run_id, run.try_number, run.databricks_run_id) == (asked[1], 2, "4711")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--date", "2026-1-15", "'2026-1-15' is not a date; write it as YYYY-MM-DD"),
        ("--date", "2026-02-30", "'2026-02-30' is not a date; write it as YYYY-MM-DD"),
        ("--date", "2026-01-15' OR 1=1", "is not a date; write it as YYYY-MM-DD"),
        ("--feed", "order; DROP TABLE x", "is not a known feed; known are orders"),
        ("--env", "production", "There is no environment 'production'"),
        ("--dag-run", "x'); DROP TABLE y", "is no Airflow run id"),
        ("--try", "-1", "'-1' is no try number"),
        ("--run-id", "{{task.run_id}}", "'{{task.run_id}}' is no Databricks run id"),
    ],
)
def test_a_wrong_value_ends_the_job_with_a_sentence_that_names_it(option, value, sentence):
    argv = [*GOOD, "--dag-run", "manual__1", "--try", "1", "--run-id", "1"]
    argv[argv.index(option) + 1] = value
    with pytest.raises(SystemExit) as ended:
        arguments("silver", "feed", ["orders"], argv)
    assert sentence in str(ended.value.code)


def test_a_date_must_be_in_the_calendar():
    assert ingestion_date("2024-02-29") == date(2024, 2, 29)
    with pytest.raises(ValueError, match="is not a date"):
        ingestion_date("2025-02-29")


def test_a_job_that_knows_its_own_date_may_ask_for_the_day_before():
    assert ingestion_date("before 2026-03-01") == date(2026, 2, 28)
    with pytest.raises(ValueError, match="is not a date"):
        ingestion_date("before 2026-02-30")


def test_a_customer_is_named_by_a_digest_alone():
    assert (digests("none"), digests(f"{'a' * 64},{'0' * 64}"), hours("24")) == ([], ["a" * 64, "0" * 64], 24)
    for wrong in ("C00000042", "", "A" * 64, f"{'a' * 64},"):
        with pytest.raises(ValueError, match="is no SHA-256"):
            digests(wrong)
    with pytest.raises(ValueError, match="is no number of hours"):
        hours("-1")


@pytest.mark.parametrize("wrong", ["", "yes", "a" * 11, "A" * 12])
def test_a_confirmation_is_a_code_as_find_prints_it(wrong):
    assert (confirmation("none"), confirmation("0123456789ab")) == (None, "0123456789ab")
    with pytest.raises(ValueError, match="is no confirmation, as the task find prints one"):
        confirmation(wrong)
