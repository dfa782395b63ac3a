"""The scheduled days that a look finds missing or filled, and how little it asks. Airflow and run log are stand-ins."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from retailflow.contracts import feeds
from retailflow.environments import Schedule
from retailflow_airflow.missing import Known, search

SCHEDULE = Schedule(cron="0 2 * * *", first_date=date(2024, 1, 1))
FEEDS = [contract.name for contract in feeds()]
DAY = date(2026, 1, 15)
UNTIL_THEN = Known(until=DAY - timedelta(days=1))


def january(number: int) -> date:
    return date(2026, 1, number)


def days(first: int, last: int) -> list[date]:
    return [january(number) for number in range(first, last + 1)]


class Airflow:
    """Counts runs as a task instance does. `asked` counts the questions."""

    def __init__(self, states: dict[date, str | None], at: time = time(2), replays: int = 0) -> None:
        self.states, self.replays, self.asked = states, replays, 0
        self.at = at

    def get_dr_count(self, dag_id, states, logical_dates=None):
        self.asked += 1
        if dag_id == "retailflow_replay":
            return self.replays
        assert dag_id == "retailflow_daily"
        assert logical_dates is None or 0 < len(logical_dates) <= 100
        moments = {datetime.combine(day, self.at, UTC): state for day, state in self.states.items()}
        return sum(state in states and (logical_dates is None or at in logical_dates) for at, state in moments.items())


class RunLog:
    """The feeds whose SILVER was built, per day. `asked` has the first and the last day of each question."""

    def __init__(self, made: dict[date, list[str]] | None = None) -> None:
        self.made, self.asked = made or {}, []

    def silver(self, first, last):
        self.asked.append((first, last))
        return {day: feeds for day, feeds in self.made.items() if first <= day <= last}


def look(states, known=UNTIL_THEN, last=DAY, run_log=None, **airflow):
    return search(SCHEDULE, last, known, Airflow(states, **airflow), run_log or RunLog())


@pytest.mark.parametrize("state", [None, "failed"])  # never started, or deleted; failed by a cancelled backfill
def test_a_day_without_a_successful_run_is_missing(state):
    found = look({DAY: state})
    assert (found.missing, found.filled) == ([DAY], [])
    assert look({DAY: state}, found.known).missing == []


@pytest.mark.parametrize("at", [time(2), time(0)])  # by the clock or a backfill; by a trigger for that date
def test_a_day_with_a_successful_run_is_done(at):
    assert look({DAY: "success"}, at=at).missing == []


def test_a_day_is_looked_at_again_while_its_run_is_under_way_and_missing_once_it_has_failed():
    found = look({DAY: "running"})
    assert (found.missing, found.known.until) == ([], january(14))
    assert look({DAY: "failed"}, found.known).missing == [DAY]


def test_a_run_that_waits_while_nothing_runs_does_not_count_at_the_second_look():
    found = look({DAY: "queued"})
    assert found.missing == []
    other = january(20)
    assert look({DAY: "queued", other: "running"}, found.known).missing == []
    assert look({DAY: "queued"}, found.known).missing == [DAY]


def test_a_day_that_only_the_run_log_knows_is_done_if_it_has_every_feed():
    two = dict.fromkeys(days(15, 16))
    log = RunLog({january(15): FEEDS, january(16): FEEDS[1:]})
    assert look(two, last=january(16), run_log=log).missing == [january(16)]


def test_nothing_is_missing_as_long_as_the_run_log_does_not_answer():
    class Silent:
        def silver(self, first, last):
            raise RuntimeError("no warehouse")

    found = look({}, run_log=Silent())
    assert (found.missing, found.known) == ([], UNTIL_THEN)


def test_days_are_filled_once_no_run_that_may_fill_one_is_under_way():
    known = Known(DAY, frozenset(days(12, 14)))
    part = look({**dict.fromkeys(days(12, 13), "success"), january(14): "running"}, known)
    assert (part.filled, part.known.missing) == ([], known.missing)
    whole = look(dict.fromkeys(days(12, 14), "success"), part.known)
    assert (whole.filled, whole.known.missing) == (days(12, 14), frozenset())


def test_the_run_log_is_asked_about_mailed_days_only_after_another_run_has_succeeded():
    known = Known(DAY, frozenset(days(12, 13)), ended=1)
    log = RunLog({january(12): FEEDS})
    one = {DAY: "success"}
    assert look(one, known, run_log=log).filled == []
    assert log.asked == []
    found = look(one, known, run_log=log, replays=1)
    assert (found.filled, found.known.missing, found.known.ended) == ([january(12)], frozenset({january(13)}), 2)
    look(one, found.known, run_log=log, replays=1)
    assert log.asked == [(january(12), january(13))]


def test_the_run_log_is_asked_once_about_a_day_that_only_it_knows_while_an_older_day_is_under_way():
    log, states = RunLog({DAY: FEEDS}), {january(14): "running"}
    found = look(states, Known(january(13)), run_log=log)
    assert (found.missing, found.known.until, log.asked) == ([], january(13), [(DAY, DAY)])
    found = look(states, found.known, run_log=log)
    assert (found.missing, log.asked) == ([], [(DAY, DAY)])
    found = look({january(14): "success"}, found.known, run_log=log)
    assert (found.missing, found.known, log.asked) == ([], Known(DAY), [(DAY, DAY)])


def test_days_outside_the_schedule_are_not_missing():
    later = SCHEDULE.model_copy(update={"first_date": DAY})
    found = search(later, DAY, Known(DAY, frozenset(days(12, 14))), Airflow({}), RunLog())
    assert (found.missing, found.filled, found.known.missing) == ([], [], frozenset())
    weekdays = SCHEDULE.model_copy(update={"cron": "0 2 * * 1-5"})
    week = search(weekdays, january(18), UNTIL_THEN, Airflow({}), RunLog())
    assert week.missing == days(15, 16)  # Thursday and Friday


def test_a_look_at_a_day_that_is_done_asks_one_question_and_the_next_look_none():
    airflow = Airflow({DAY: "success"})
    found = search(SCHEDULE, DAY, UNTIL_THEN, airflow, RunLog())
    assert airflow.asked == 1
    assert search(SCHEDULE, DAY, found.known, airflow, RunLog()) == found
    assert airflow.asked == 1


def test_the_first_look_at_years_asks_by_hundreds_and_then_only_around_the_gaps():
    every = {SCHEDULE.first_date + timedelta(days=number): "success" for number in range(746)}
    assert max(every) == DAY
    airflow, log = Airflow(every), RunLog()
    assert search(SCHEDULE, DAY, Known(), airflow, log).missing == []
    assert airflow.asked < 20
    assert log.asked == []
    gap = date(2025, 3, 3)
    del every[gap]
    found = search(SCHEDULE, DAY, Known(), airflow, log)
    assert (found.missing, found.known.until) == ([gap], DAY)
    assert airflow.asked < 60
    assert log.asked == [(gap, gap)]


def test_the_first_look_of_a_new_environment_finds_all_days_since_the_first_at_once():
    airflow = Airflow({DAY: "success"})
    found = search(SCHEDULE, DAY, Known(), airflow, RunLog())
    assert (len(found.missing), found.missing[0], found.missing[-1]) == (745, date(2024, 1, 1), january(14))
    assert airflow.asked < 60


def test_the_known_days_can_be_written_as_json_and_read_back():
    known = Known(DAY, frozenset(days(12, 13)), frozenset({january(13)}), 7, frozenset({january(16)}))
    assert known.kept == {
        "until": "2026-01-15", "missing": ["2026-01-12", "2026-01-13"], "idle": ["2026-01-13"], "ended": 7,
        "logged": ["2026-01-16"],
    }  # fmt: skip
    assert Known.read(known.kept) == known
    assert Known.read(Known().kept) == Known()
