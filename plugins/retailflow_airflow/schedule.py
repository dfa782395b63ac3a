"""The schedule of the DAGs: the environment's cron in UTC, with one run for each finished day."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.interval import CronDataIntervalTimetable as CoreCronDataIntervalTimetable
from pendulum import instance

from retailflow.environments import Schedule


class CronUntil(CoreCronDataIntervalTimetable):
    """A cron timetable whose last run is for the day `last`; triggers work for any day.

    A DAG's end_date would end the schedule too. But Airflow then never starts the tasks of a run that is triggered for
    a later logical date, and the trigger form offers the present moment.
    """

    def __init__(self, cron: str, last: str) -> None:
        super().__init__(cron, timezone="UTC")
        self._last = last

    def serialize(self) -> dict[str, Any]:
        return {"cron": self._expression, "last": self._last}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        return cls(data["cron"], data["last"])

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        end = instance(datetime.combine(datetime.fromisoformat(self._last), time.max, UTC))
        latest = min(end, restriction.latest or end)
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval,
            restriction=TimeRestriction(restriction.earliest, latest, restriction.catchup),
        )


def timetable(schedule: Schedule, cron: str | None = None) -> CronDataIntervalTimetable | CronUntil:
    """Return the timetable of a DAG: `cron`, or the schedule's cron. It ends at the schedule's last date, if set."""
    cron = cron or schedule.cron
    if schedule.last_date is None:
        return CronDataIntervalTimetable(cron, timezone="UTC")
    return CronUntil(cron, schedule.last_date.isoformat())


def starts_at(schedule: Schedule, day: date) -> datetime:
    """Return the scheduled start of the run for the date, or the end of the day if no run is scheduled."""
    info = _clock_run(schedule, day)
    return info.run_after if info else datetime.combine(day + timedelta(days=1), time(), UTC)


def logical_dates(schedule: Schedule, day: date) -> list[datetime]:
    """Return the logical dates that a run for the day may have.

    The first is midnight of the day, for a trigger. The second is that of the schedule or a backfill, if the day is
    scheduled.
    """
    info = _clock_run(schedule, day)
    return [instance(datetime.combine(day, time(), UTC)), *([info.logical_date] if info else [])]


def _clock_run(schedule: Schedule, day: date) -> DagRunInfo | None:
    midnight = instance(datetime.combine(day, time(), UTC))
    restriction = TimeRestriction(midnight, midnight + timedelta(days=1, seconds=-1), catchup=True)
    clock = CoreCronDataIntervalTimetable(schedule.cron, timezone="UTC")
    return clock.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
