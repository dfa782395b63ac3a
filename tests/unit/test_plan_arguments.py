"""Wrong parameters of the planning job are refused with a sentence before anything is read."""

from datetime import date

import pytest

from retailflow_spark.ops.replay_plan import Selection, arguments

GOOD = ["--env", "local", "--selection", "late", "--feeds", "orders,stores"]
GOOD += ["--first-date", "2026-01-15", "--last-date", "2026-01-16", "--run-id", "7"]


def test_a_selection_is_of_every_date_of_every_feed_both_ends_included():
    environment, selection, run_id = arguments(GOOD)
    assert (environment.name, run_id) == ("local", "7")
    assert selection == Selection("late", ("orders", "stores"), date(2026, 1, 15), date(2026, 1, 16))
    assert [(name, day.day) for name, day in selection.days] == [
        ("orders", 15), ("orders", 16), ("stores", 15), ("stores", 16),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--selection", "all", "'all' is not a known selection; known are range, late, quarantined"),
        ("--feeds", "orders,x; DROP TABLE y", "'x; DROP TABLE y' is not a known feed; known are clickstream"),
        ("--feeds", "", "'' is not a known feed"),
        ("--first-date", "2026-02-30", "'2026-02-30' is not a date; write it as YYYY-MM-DD"),
        ("--run-id", "../x", "'../x' is no Databricks run id"),
        ("--last-date", "2026-01-14", "the last date 2026-01-14 is before the first, 2026-01-15"),
    ],
)
def test_a_wrong_value_ends_the_job_with_a_sentence_that_names_it(option, value, sentence):
    argv = list(GOOD)
    argv[argv.index(option) + 1] = value
    with pytest.raises(SystemExit) as ended:
        arguments(argv)
    assert sentence in str(ended.value.code)
