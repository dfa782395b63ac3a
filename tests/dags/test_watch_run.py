"""The watch, run by Airflow itself: real task states and a real SMTP server. Only the moment is given."""

import re
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
from airflow.models import DagRun, TaskInstance, Variable
from airflow.models.xcom import XComModel
from airflow.sdk import Variable as TaskVariable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import delete, insert

from retailflow_airflow import unmailed, watch
from retailflow_airflow.missing import Known
from retailflow_local.mail_sink.mailbox import body

DAY = "2026-01-15"
EARLY = ("silver.products", "silver.stores", "silver.inventory")  # due at 03:30


@pytest.fixture
def look(dags_in, database, smtp, clock, monkeypatch):
    """`look("04:01")`: runs the watch at that time of the day after; returns the subjects of the new mails.

    The watch has looked before: all days until the day before are done.
    """
    monkeypatch.setattr(watch, "datetime", clock)
    with create_session() as session:
        session.execute(delete(TaskInstance).where(TaskInstance.dag_id == "retailflow_daily"))
        session.execute(delete(DagRun).where(DagRun.dag_id.in_(["retailflow_daily", "retailflow_reaper"])))
        session.execute(delete(Variable).where(Variable.key.startswith("retailflow_fail")))
    known = {"days": Known(until=date(2026, 1, 14)).kept, "since": "2026-01-14T00:00:00+00:00"}
    Variable.set("retailflow_watch", known, serialize_json=True)
    seen = len(smtp.numbers())
    dag = dags_in("local")["retailflow_watch"]
    monkeypatch.setattr(dag, "deadline", None)  # Airflow 3.3 cannot end dag.test() with one
    monkeypatch.setattr(dag.get_task("check_deadlines"), "retries", 0)

    def at(time, date="2026-01-16", state="success", chosen=None):
        nonlocal seen
        clock.at = datetime.fromisoformat(f"{date}T{time}+00:00")
        assert dag.test(run_conf={"ingestion_date": chosen}).state == state
        new = smtp.messages()[seen:]
        seen += len(new)
        return [message["Subject"].removeprefix("[retailflow local] ") for message in new]

    return at


@pytest.fixture
def run_of_the_day(daily):
    """`run_of_the_day("bronze.orders")`: the clock's run, in which all other tasks succeeded. Another call changes it.

    `ended` is the state of a run that has ended; `states` are the states of tasks by name.
    """

    def has_all_but(*others, state="deferred", day=DAY, ended=None, **states):
        logical_date = datetime.fromisoformat(f"{day}T02:00+00:00")
        with create_session() as session:
            found = DagRun.find(dag_id="retailflow_daily", run_id=f"scheduled__{day}", session=session)
            run = found[0] if found else _create(daily, f"scheduled__{day}", logical_date, session)
            run.state = ended or "running"
            for ti in run.get_task_instances(session=session):
                ti.state = states.get(ti.task_id, state if ti.task_id in others else "success")

    return has_all_but


def _create(daily, run_id, logical_date, session):
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(daily)).create_dagrun(
        run_id=run_id,
        logical_date=logical_date,
        data_interval=(logical_date, logical_date),
        run_after=logical_date,
        run_type=DagRunType.SCHEDULED,
        state="running",
        triggered_by=DagRunTriggeredByType.TEST,
        session=session,
    )


def others_due(clock):
    """Return what the subject of a mail says about the other tables that are due then."""
    due = [one for one in watch.deadlines(date.fromisoformat(DAY)) if f"{one.at:%H:%M}" == clock]
    return f"and {len(due) - 1} more"


def last(smtp):
    return body(smtp.messages()[-1], "plain")


def test_a_run_that_never_started_is_reported_once_for_each_deadline(look, smtp):
    assert look("03:29") == []
    assert look("03:31") == [f"MISSED silver.inventory {DAY}, due 03:30 UTC ({others_due('03:30')})"]
    assert look("03:36") == []
    assert f"retailflow_daily has no run for {DAY}." in last(smtp)
    assert f"airflow dags trigger retailflow_daily --logical-date {DAY}T00:00:00+00:00\n" in last(smtp)
    assert look("04:01") == [f"MISSED silver.customers {DAY}, due 04:00 UTC ({others_due('04:00')})"]


def test_the_command_on_the_card_makes_the_alert_stop_and_moves_what_is_due_later(look, smtp):
    assert look("03:31") == [f"MISSED silver.inventory {DAY}, due 03:30 UTC ({others_due('03:30')})"]
    (command,) = re.findall(r"airflow (dags trigger .+)\n", last(smtp))
    subprocess.run([sys.executable, "-m", "airflow", *shlex.split(command)], check=True, capture_output=True)
    assert look("03:36") == []  # it was started 96 minutes late
    assert look("05:35") == []
    assert look("05:37")[0] == f"MISSED silver.customers {DAY}, due 04:00 UTC"


def test_a_late_feed_is_reported_once_and_once_more_when_it_has_come(look, run_of_the_day, smtp):
    look("03:00")  # Airflow now knows the DAGs
    waits = ("raw.orders", "bronze.orders", "silver.orders")
    run_of_the_day(*waits)
    assert look("03:59") == []
    assert look("04:02") == [f"MISSED silver.orders {DAY}, due 04:00 UTC"]
    assert "silver.orders waits for raw.orders, which is deferred." in last(smtp)
    assert "runbooks/late_feed.md" in last(smtp)
    assert look("04:07") == []
    run_of_the_day()
    assert look("04:12") == [f"RECOVERED silver.orders {DAY}"]
    assert look("04:17") == []
    run_of_the_day(*waits)  # cleared: the table was there in time, so nothing is late
    assert look("05:30") == []


def test_a_table_that_recovers_the_day_after_next_is_still_reported(look, run_of_the_day):
    look("03:00")
    run_of_the_day("silver.orders")
    assert look("23:55") == [f"MISSED silver.orders {DAY}, due 04:00 UTC"]
    run_of_the_day()
    run_of_the_day(day="2026-01-16")
    assert look("04:30", date="2026-01-17") == [f"RECOVERED silver.orders {DAY}"]
    assert look("04:35", date="2026-01-17") == []


def test_gold_that_waits_for_a_feed_is_reported_with_the_feed_as_its_cause(look, run_of_the_day, smtp):
    look("03:00")
    run_of_the_day("raw.payments", "bronze.payments", "silver.payments", "gold.payment_reconciliation")
    assert look("05:20") == [f"MISSED silver.payments {DAY}, due 04:00 UTC (and 1 more)"]
    assert "Also         gold.payment_reconciliation" in last(smtp)


def test_tables_built_while_feeds_are_late_are_published_once_and_once_more_for_each_feed(look, run_of_the_day):
    def publications():
        return len(DagRun.find(dag_id="retailflow_publish"))

    look("03:00")
    of_orders = ("bronze.orders", "silver.orders", "gold.fact_orders", "gold.fact_sales", "gold.daily_revenue_mart")
    of_payments = ("bronze.payments", "silver.payments", "gold.payment_reconciliation")
    last, before = ("gold.publish", "complete"), publications()
    late = {"raw.orders": "deferred", "raw.payments": "deferred"}
    run_of_the_day(**late, **dict.fromkeys((*of_orders, *of_payments, *last)), **{"gold.dim_date": "running"})
    look("03:05")
    assert publications() == before, "a table is being made"
    run_of_the_day(**late, **dict.fromkeys((*of_orders, *of_payments, *last)))
    look("03:10")
    look("03:15")
    assert publications() == before + 1
    run_of_the_day(**{"raw.payments": "deferred"}, **dict.fromkeys((*of_payments, *last)))
    look("03:20")
    look("03:25")
    assert publications() == before + 2
    run_of_the_day(**{"gold.publish": "deferred", "complete": None})
    look("03:29")
    run_of_the_day()
    look("03:29")
    assert publications() == before + 2, "the run publishes by itself"


def test_two_causes_are_two_mails(look, run_of_the_day):
    look("03:00")
    run_of_the_day("silver.orders", "silver.stores")
    assert look("04:02") == [
        f"MISSED silver.stores {DAY}, due 03:30 UTC",
        f"MISSED silver.orders {DAY}, due 04:00 UTC",
    ]


def test_old_dates_and_those_after_the_schedule_s_last_are_not_looked_at(look, run_of_the_day):
    look("03:00")
    run_of_the_day("silver.orders", day="2026-01-10")
    run_of_the_day()
    assert look("06:00") == []
    assert look("06:00", date="2026-08-01") == []


def test_a_day_that_is_chosen_in_the_form_is_looked_at(look):
    assert look("03:31", date="2026-08-01", chosen="2026-07-31") == [
        "MISSED silver.inventory 2026-07-31, due 03:30 UTC (and 2 more)"
    ]


def test_a_table_that_a_replay_made_is_not_late(look, monkeypatch):
    class RunLog:
        def rows(self, statement, **parameters):
            assert parameters["day"].isoformat() == DAY
            return [{"name": name} for name in EARLY]

    monkeypatch.setattr(watch, "Warehouse", lambda env: RunLog())
    assert look("03:45") == []


def test_the_run_log_is_asked_about_a_late_table_once_and_again_when_a_replay_has_made_it(
    look, run_of_the_day, dags_in, monkeypatch
):
    asked, made = [], []

    class Warehouse:
        def rows(self, statement, **parameters):
            if "day" not in parameters:
                return []
            asked.append(parameters["day"])
            return [{"name": name} for name in made]

    monkeypatch.setattr(watch, "Warehouse", lambda env: Warehouse())
    look("03:00")
    run_of_the_day("raw.orders", "bronze.orders", "silver.orders")
    assert look("04:02") == [f"MISSED silver.orders {DAY}, due 04:00 UTC"]
    assert look("04:07") == []
    assert len(asked) == 1
    made.append("silver.orders")
    moment = datetime.fromisoformat("2026-01-16T04:08+00:00")
    with create_session() as session:
        replay = _create(dags_in("local")["retailflow_replay"], "manual__replay", moment, session)
        replay.state = "success"
        for ti in replay.get_task_instances(session=session):
            ti.state = "success" if ti.task_id == "silver.feed" else "skipped"
    assert look("04:12") == [f"RECOVERED silver.orders {DAY}"]
    assert look("04:17") == []
    assert len(asked) == 2


def test_a_mail_that_the_server_refuses_is_sent_at_the_next_look(look, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://127.0.0.1:9")
        assert look("03:31", state="failed") == []
    assert look("03:36") == [f"MISSED silver.inventory {DAY}, due 03:30 UTC ({others_due('03:30')})"]


def test_a_worker_lost_between_mail_and_memory_sends_the_same_message_id(look, smtp, monkeypatch):
    kept = TaskVariable.set

    def lost(key, *_, **__):
        if key == "retailflow_watch":
            raise SystemExit("the worker is gone")
        kept(key, *_, **__)

    with monkeypatch.context() as dying:
        dying.setattr(TaskVariable, "set", lost)
        first, own = look("03:31", state="failed")
    (second,) = look("03:36")
    assert (first, own) == (second, "FAILED retailflow_watch check_deadlines")
    sent = smtp.messages()[-3:]
    assert sent[0]["Message-ID"] == sent[2]["Message-ID"] != sent[1]["Message-ID"]


def test_after_the_variable_is_deleted_the_alert_comes_again_as_a_new_message(look, smtp):
    (subject,) = look("03:31")
    Variable.set("retailflow_watch", {"days": Known(until=date(2026, 1, 14)).kept}, serialize_json=True)
    assert look("03:36") == [subject]
    first, second = smtp.messages()[-2:]
    assert first["Message-ID"] != second["Message-ID"]


def test_all_mails_of_a_day_are_one_conversation_and_go_to_the_alert_addresses(look, smtp):
    look("04:01")
    look("05:01")
    sent = smtp.messages()[-2:]
    assert len({message["References"] for message in sent}) == 1
    assert {message["To"] for message in sent} == {"data-engineering@retailflow.example"}
    assert {message["From"] for message in sent} == {"retailflow@retailflow.example"}


# Failed tasks that could not mail themselves


@pytest.fixture
def note(run_of_the_day):
    """`note("bronze.orders", is_mailed=True)`: writes the note that the process of that task left."""

    def left(task_id, dag_id="retailflow_daily", **said):
        (run,) = DagRun.find(dag_id=dag_id, run_id=f"scheduled__{DAY}")
        xcom = {"dag_run_id": run.id, "run_id": run.run_id, "dag_id": run.dag_id, "task_id": task_id, "map_index": -1}
        with create_session() as session:
            session.execute(insert(XComModel).values(xcom | {"key": "incident", "value": said}))

    return left


def test_a_failed_task_that_nobody_mailed_is_mailed_once_and_again_when_it_fails_again(look, run_of_the_day, smtp):
    look("03:00")
    run_of_the_day("bronze.orders", state="failed")
    assert look("03:01") == [f"FAILED bronze.orders {DAY}"]
    assert "Airflow gave no error: the worker was lost" in last(smtp)
    assert look("03:06") == []
    run_of_the_day("bronze.orders", state="running")  # cleared
    assert look("03:11") == []
    run_of_the_day("bronze.orders", state="failed")
    assert look("03:16") == [f"FAILED bronze.orders {DAY}"]


def test_a_failed_task_that_mailed_itself_or_is_about_to_is_not_mailed_again(look, run_of_the_day, note, smtp):
    look("03:00")
    run_of_the_day(*(f"bronze.{name}" for name in ("customers", "orders", "stores", "products")), state="failed")
    note("bronze.orders", error="ValueError: x", at="2026-01-16T03:00:00+00:00", is_mailed=True)
    note("bronze.stores", error="ValueError: y", at=datetime.now(UTC).isoformat())
    note("bronze.products", error="ValueError: z", at="2026-01-16T02:50:00+00:00")  # killed while it mailed
    note(
        "bronze.customers", error="ConnectionError: x", at=datetime.now(UTC).isoformat(), is_cause_mailed=True
    )  # by another
    assert look("03:01") == [f"FAILED bronze.customers {DAY} (and 1 more)"]
    assert "Also         bronze.products" in last(smtp)


class InDatabase:
    """Variables as the DAG processor reaches them."""

    set = Variable.set

    @staticmethod
    def get(key, default, deserialize_json):
        return Variable.get(key, default_var=default, deserialize_json=deserialize_json)


@pytest.fixture
def failed_reaper(dags_in, look, monkeypatch):
    look("03:00")
    dag = dags_in("local")["retailflow_reaper"]
    with create_session() as session:
        run = _create(dag, f"scheduled__{DAY}", datetime.fromisoformat(f"{DAY}T02:50+00:00"), session)
        for ti in run.get_task_instances(session=session):
            ti.state = "failed"
    with monkeypatch.context() as dag_processor:
        dag_processor.setattr(unmailed, "Variable", InDatabase)
        unmailed.remember({"dag": dag, "run_id": f"scheduled__{DAY}"})


def test_failures_with_one_cause_are_one_mail_of_one_conversation_over_all_runs(
    look, failed_reaper, run_of_the_day, note, smtp
):
    run_of_the_day("bronze.orders", "bronze.stores", "bronze.products", state="failed")
    incident = {
        "error": "ConnectionError: x",
        "at": "2026-01-16T03:00:00+00:00",
        "is_cause_mailed": True,
        "cause": "platform since 3",
    }
    note("bronze.stores", **incident)
    note("bronze.products", **incident)
    note("reap", "retailflow_reaper", **incident)
    assert look("03:05") == [f"FAILED bronze.orders {DAY}", f"FAILED bronze.products {DAY} (and 2 more)"]
    assert "Also         bronze.stores, retailflow_reaper reap" in last(smtp)
    own, shared = (message["References"] for message in smtp.messages()[-2:])
    assert own != shared
    assert look("03:10") == []


def test_tables_that_a_shared_cause_makes_late_are_in_its_mail_and_in_no_other(look, run_of_the_day, note):
    """An outage of a whole night, noticed only when all tables are overdue."""
    look("03:00")
    held_up = {table: "upstream_failed" for table in ("silver.stores", "silver.products", "gold.dim_store")}
    run_of_the_day("bronze.stores", "bronze.products", state="failed", **held_up)
    for task_id in ("bronze.stores", "bronze.products"):
        note(task_id, error="x", at="2026-01-16T03:00:00+00:00", is_cause_mailed=True, cause="platform since 3")
    assert look("05:00") == [f"FAILED bronze.products {DAY} (and 1 more)"]
    assert look("05:05") == []


def test_the_watch_mails_a_failed_run_of_another_dag_whose_task_was_killed_alone(look, failed_reaper):
    assert look("03:05") == ["FAILED retailflow_reaper reap"]
    assert look("03:10") == []


# Days that nobody ran


@pytest.fixture
def run_log(monkeypatch):
    """A SQL warehouse that knows of no run."""

    class Warehouse:
        def rows(self, statement, **parameters):
            return []

    monkeypatch.setattr(watch, "Warehouse", lambda env: Warehouse())


COMMAND = "    ./retailflow airflow backfill create --dag-id retailflow_daily --from-date {} --to-date {}T23:59 "
COMMAND += "--max-active-runs 3 --reprocess-behavior failed\n"


def test_days_that_nobody_ran_are_mailed_once_and_once_more_when_all_have_run(look, run_log, run_of_the_day, smtp):
    look("03:00")  # Airflow now knows the DAGs
    for day in (15, 16, 19, 21, 22):
        run_of_the_day(day=f"2026-01-{day}", ended="success")
    assert look("06:00", date="2026-01-23") == ["MISSED retailflow_daily 2026-01-17 to 2026-01-20 (3 days)"]
    mail = last(smtp)
    assert "3 scheduled days have no finished run: 2026-01-17 to 2026-01-18, 2026-01-20." in mail
    assert COMMAND.format("2026-01-17", "2026-01-18") + COMMAND.format("2026-01-20", "2026-01-20") in mail
    assert "runbooks/backfill_a_month.md" in mail
    assert look("06:05", date="2026-01-23") == []
    run_of_the_day(day="2026-01-17", ended="success")
    run_of_the_day(day="2026-01-18", ended="success")
    run_of_the_day(day="2026-01-20")
    assert look("06:10", date="2026-01-23") == []
    run_of_the_day(day="2026-01-20", ended="success")
    assert look("06:15", date="2026-01-23") == ["RECOVERED retailflow_daily 2026-01-17 to 2026-01-20 (3 days)"]
    assert "Days         2026-01-17 to 2026-01-18, 2026-01-20" in last(smtp)
    assert look("06:20", date="2026-01-23") == []


def test_yesterday_is_left_to_its_deadlines_until_the_last_is_over(look, run_log, run_of_the_day):
    look("03:00")
    run_of_the_day("bronze.orders", "silver.orders", state="failed", ended="failed")
    assert look("05:14") == [f"FAILED bronze.orders {DAY} (and 1 more)"]  # the cause, not what it holds up
    assert look("05:16") == [f"MISSED retailflow_daily {DAY}"]


def test_a_new_environment_mails_all_days_since_its_first_as_one_range(look, run_log, run_of_the_day, smtp):
    look("03:00")
    run_of_the_day(ended="success")
    Variable.delete("retailflow_watch")
    assert look("06:00") == ["MISSED retailflow_daily 2015-01-01 to 2026-01-14 (4032 days)"]
    assert COMMAND.format("2015-01-01", "2026-01-14") in last(smtp)
    assert "set schedule.first_date of the environment to a later date" in last(smtp)


def test_no_day_is_missing_once_the_clock_has_ended(look, run_log):
    Variable.delete("retailflow_watch")
    assert look("06:00", date="2026-07-02") == []


def test_a_mail_of_missing_days_that_is_refused_is_sent_at_the_next_look(look, run_log, run_of_the_day, monkeypatch):
    look("03:00")
    for day in (15, 17):
        run_of_the_day(day=f"2026-01-{day}", ended="success")
    with monkeypatch.context() as broken:
        broken.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://127.0.0.1:9")
        assert look("06:00", date="2026-01-18", state="failed") == []
    assert look("06:05", date="2026-01-18") == ["MISSED retailflow_daily 2026-01-16"]
