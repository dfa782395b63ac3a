"""Asks the run log which late tables of a day have been made.

Each query starts the SQL warehouse, which then runs until its auto-stop. A table may be late for days, and the watch
runs every 5 minutes. So the watch asks again only if the answer may have changed.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from retailflow_airflow.incident import RunLog
from retailflow_airflow.incident.culprit import DAILY

_REPLAY = "retailflow_replay"
# The count does not show a table that a job in Databricks made, or a success while another success was cleared.
_NET = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The run log's last answer about a day.

    `made` are the tables that any run made for the day. `late` are the tables that were missing at the time of the
    query. `successes` is the number of Airflow tasks that had made these tables by then, for any date.
    """

    made: frozenset[str] = frozenset()
    late: tuple[str, ...] = ()
    successes: int = 0
    asked_at: datetime | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> Self:
        """Return the answer that `kept` has stored."""
        if not kept:
            return cls()
        asked_at = kept["asked_at"] and datetime.fromisoformat(kept["asked_at"])
        return cls(frozenset(kept["made"]), tuple(kept["late"]), kept["successes"], asked_at)

    @property
    def kept(self) -> dict[str, Any]:
        """The answer as JSON values."""
        asked_at = self.asked_at and self.asked_at.isoformat()
        return {"made": sorted(self.made), "late": self.late, "successes": self.successes, "asked_at": asked_at}


def ask(ti: Any, run_log: RunLog, day: date, tables: Collection[str], known: Answer, now: datetime) -> Answer:
    """Ask the run log for tables that the day's own run has not made.

    Returns `known` if nothing can have changed: the run log was asked about the same tables less than an hour ago, and
    no task of the daily DAG or of a replay has made one of them since. Also returns `known` if the warehouse does not
    answer; the next run of the watch asks again.
    """
    late = tuple(sorted(set(tables) - known.made))
    if not late:
        return known
    # Count before the query: a task succeeds in Airflow after its row is in the run log.
    tasks = [*late, "silver.feed"]  # silver.feed is the task of a replay, for every feed
    successes = sum(ti.get_ti_count(dag_id=dag, task_ids=tasks, states=["success"]) for dag in (DAILY, _REPLAY))
    is_same = (known.late, known.successes) == (late, successes)
    if is_same and known.asked_at and now - known.asked_at < _NET:
        return known
    try:
        return Answer(run_log.made(day), late, successes, now)
    except Exception as error:  # only Airflow's states are known then
        _log.warning("The SQL warehouse did not answer: %s", error)
        return known
