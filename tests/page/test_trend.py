from datetime import date, timedelta

from retailflow_airflow.page.trend import Plot, short, with_limits

SATURDAY = date(2026, 1, 17)


def weeks(*values: float, last: date = SATURDAY) -> dict[date, float]:
    """Return one value for each week, the last one on `last`."""
    return {last - timedelta(weeks=len(values) - 1 - index): value for index, value in enumerate(values)}


def test_a_day_far_from_its_weekday_is_unusual():
    *before, low = with_limits(weeks(100, 110, 90, 105, 95, 50))
    assert low.is_unusual
    assert (low.low, low.high) == (80, 120)  # the median is 100, the median distance from it 5
    assert not any(day.is_unusual for day in before)
    assert not with_limits(weeks(100, 110, 90, 105, 95, 120))[-1].is_unusual


def test_a_busy_saturday_is_usual_where_saturdays_are_busy():
    fridays = weeks(10, 10, 10, 10, 10, 10, last=SATURDAY - timedelta(days=1))
    assert not any(day.is_unusual for day in with_limits(fridays | weeks(90, 90, 90, 90, 90, 90)))


def test_days_that_were_all_the_same_leave_room_of_twelve_percent():
    same = (100, 100, 100, 100, 100)
    assert not with_limits(weeks(*same, 112))[-1].is_unusual
    assert with_limits(weeks(*same, 113))[-1].is_unusual


def test_four_weeks_say_nothing_yet_and_a_thirteenth_is_forgotten():
    assert with_limits(weeks(100, 100, 100, 100, 900))[-1].low is None
    assert with_limits(weeks(5000, *[100] * 12, 100))[-1].high == 112


def test_the_line_is_broken_where_a_day_is_missing():
    days = {SATURDAY - timedelta(days=ago): 10.0 for ago in (0, 1, 3)}
    plot = Plot("orders", with_limits(days), SATURDAY - timedelta(days=3), SATURDAY)
    assert plot.line == "M0.0 6.0 M240.0 6.0 L360.0 6.0"
    assert Plot("orders", [], SATURDAY, SATURDAY).line == ""


def test_large_numbers_are_short():
    assert [short(n) for n in (0, 950, 9_999, 12_400, 3_100_000, -2.5e9)] == [
        *("0", "950", "9,999", "12.4 k", "3.1 M", "-2.5 bn")
    ]
