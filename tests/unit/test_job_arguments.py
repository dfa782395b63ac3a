"""A job's parameters are refused with a sentence before anything runs."""

from datetime import date

import pytest

from retailflow_spark.job import arguments, ingestion_date

GOOD = ["--env", "local", "--entity", "orders", "--date", "2026-01-15"]


def test_good_arguments_are_taken():
    environment, entity, day = arguments("entity", ["orders"], GOOD)
    assert (environment.name, entity, day) == ("local", "orders", date(2026, 1, 15))


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--date", "2026-1-15", "'2026-1-15' is not a date; write it as YYYY-MM-DD"),
        ("--date", "2026-02-30", "'2026-02-30' is not a date; write it as YYYY-MM-DD"),
        ("--date", "2026-01-15' OR 1=1", "is not a date; write it as YYYY-MM-DD"),
        ("--entity", "order; DROP TABLE x", "is not a known entity; known are orders"),
        ("--env", "production", "There is no environment 'production'"),
    ],
)
def test_a_wrong_value_ends_the_job_with_a_sentence_that_names_it(option, value, sentence):
    argv = list(GOOD)
    argv[argv.index(option) + 1] = value
    with pytest.raises(SystemExit) as ended:
        arguments("entity", ["orders"], argv)
    assert sentence in str(ended.value.code)


def test_a_date_is_only_what_a_calendar_has():
    assert ingestion_date("2024-02-29") == date(2024, 2, 29)
    with pytest.raises(ValueError, match="is not a date"):
        ingestion_date("2025-02-29")
