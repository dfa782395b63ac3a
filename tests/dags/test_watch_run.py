"""The watch run by Airflow itself: real task states, a real SMTP server; only the moment is given."""

from datetime import UTC, datetime

import pytest
from airflow.models import DagRun, Variable
from airflow.utils.session import create_session

from retailflow_airflow import watch
from retailflow_local.mail_sink.mailbox import body

DAY = "2026-01-15"


class Clock(datetime):
    """A datetime whose now is set by the test."""

    at = datetime(2026, 1, 16, 3, 0, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        return cls.at


@pytest.fixture
def look(dags_in, database, smtp, monkeypatch):
    """`look("04:01")`: runs the watch at that time of the day after; returns the subjects of the new mails."""
    monkeypatch.setattr(watch, "datetime", Clock)
    with create_session() as session:
        for run in DagRun.find(dag_id="retailflow_daily"):
            session.delete(run)
    Variable.delete("retailflow_watch")
    seen = len(smtp.numbers())
    dag = dags_in("local")["retailflow_watch"]
    dag.deadline = None  # Airflow 3.3 cannot end dag.test() with one

    def at(time, date="2026-01-16"):
        nonlocal seen
        Clock.at = datetime.fromisoformat(f"{date}T{time}+00:00")
        assert dag.test().state == "success"
        new = smtp.messages()[seen:]
        seen += len(new)
        return [message["Subject"].removeprefix("[retailflow local] ") for message in new]

    return at


def test_a_run_that_never_started_is_told_once_for_each_deadline(look, smtp):
    assert look("03:29") == []
    assert look("03:31") == [f"MISSED silver.inventory {DAY}, due 03:30 UTC (and 2 more)"]
    assert look("03:36") == []
    assert "retailflow_daily has no run for 2026-01-15." in body(smtp.messages()[-1], "plain")
    assert look("04:01") == [f"MISSED silver.customers {DAY}, due 04:00 UTC (and 3 more)"]
