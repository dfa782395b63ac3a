"""What the run log has of a day with late tables.

Each question starts the SQL warehouse, which then runs until its auto-stop. A table may be late for days, and the watch
looks every 5 minutes. So it asks again only when the answer can have changed.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from retailflow_airflow.incident import RunLog
from retailflow_airflow.incident.culprit import DAILY

_REPLAY = "retailflow_replay"
# For a table that the count does not show: a job in Databricks made it, or another success was cleared at that moment.
_NET = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The run log's last answer about a day.

    `made` are the tables that some run made for the day. `late` are the tables that were missing when it was asked, and
    `successes` is how often Airflow had made these tables until then, for any date.
    """

    made: frozenset[str] = frozenset()
    late: tuple[str, ...] = ()
    successes: int = 0
    asked_at: datetime | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> Self:
        """From the value of `kept`."""
        if not kept:
            return cls()
        asked_at = kept["asked_at"] and datetime.fromisoformat(kept["asked_at"])
        return cls(frozenset(kept["made"]), tuple(kept["late"]), kept["successes"], asked_at)

    @property
    def kept(self) -> dict[str, Any]:
        """As JSON can hold it."""
        asked_at = self.asked_at and self.asked_at.isoformat()
        return {"made": sorted(self.made), "late": self.late, "successes": self.successes, "asked_at": asked_at}


def ask(ti: Any, run_log: RunLog, day: date, tables: Collection[str], known: Answer, now: datetime) -> Answer:
    """Ask the run log for tables that the day's own run has not made.

    Returns `known` where nothing can have changed: it was asked for the same tables less than an hour ago, and no task
    of the daily DAG or of a replay has made one of them since. Returns `known` too where the warehouse does not answer;
    the next look asks again.
    """
    late = tuple(sorted(set(tables) - known.made))
    if not late:
        return known
    # Counted before the question: a task succeeds in Airflow after its row is in the run log.
    tasks = [*late, "silver.entity"]  # the second is that of a replay, for every feed
    successes = sum(ti.get_ti_count(dag_id=dag, task_ids=tasks, states=["success"]) for dag in (DAILY, _REPLAY))
    is_same = (known.late, known.successes) == (late, successes)
    if is_same and known.asked_at and now - known.asked_at < _NET:
        return known
    try:
        return Answer(run_log.made(day), late, successes, now)
    except Exception as error:  # Airflow's states are then all there is
        _log.warning("The SQL warehouse did not answer: %s", error)
        return known
