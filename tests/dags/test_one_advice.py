"""The e-mail, the page and the command line agree on each state and error: kind, safe action, command."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from retailflow.environments import load_environment
from retailflow_airflow import mail, warehouse
from retailflow_airflow.incident import Event, RunLog, collect, model
from retailflow_airflow.page import airflow_states, app, cells
from retailflow_airflow.watch import Day, Deadline, _Post
from retailflow_local import incident

DAY, RUN = date(2026, 1, 15), "scheduled__2026-01-16T02:00:00+00:00"
JOB = "Job run failed with terminal state: {'state_message': 'Workload failed'} and with the error: %s"
# The missing table, Airflow's states of the tasks before it, the note of the failed task, and the kind.
SITUATIONS = [
    ("silver.payments", {"raw.payments": "deferred"}, "", "late_feed"),
    ("bronze.payments", {"raw.payments": "failed"}, "AirflowSensorTimeout: payments is not there", "late_feed"),
    ("silver.payments", {"raw.payments": "failed"}, "HttpResponseError: AuthenticationFailed", "refused"),
    ("raw.payments", {"raw.payments": "failed"}, "AirflowException: AADSTS7000222: The secret has expired", "refused"),
    ("silver.orders", {"raw.ingest_orders": "failed"}, JOB % "SourceError: it answered 503", "source_api"),
    ("raw.orders", {"raw.ingest_orders": "failed"}, JOB % "SourceError: it answered 503", "source_api"),
    ("silver.orders", {"raw.ingest_orders": "deferred"}, "", "stuck_run"),
    ("silver.payments", {"bronze.payments": "failed"}, JOB % "BadFile: x.csv is cut off", "bad_batch"),
    (
        "silver.payments",
        {"bronze.payments": "failed"},
        JOB % "BadFile: x lacks y, which the contract requires",
        "drift",
    ),
    (
        "silver.payments",
        {"bronze.payments": "failed"},
        "AirflowException: API requests to Databricks failed",
        "platform",
    ),
    ("silver.payments", {"bronze.payments": "failed"}, JOB % "ValueError: something new", "databricks_failure"),
    ("silver.payments", {"bronze.payments": "failed"}, "", "lost_worker"),
    ("silver.payments", {"bronze.payments": "queued"}, "", "stuck_run"),
    ("silver.payments", {"silver.payments": "failed"}, JOB % "BalanceError: it does not balance", "wrong_numbers"),
    (
        "gold.payment_reconciliation",
        {"silver.payments": "failed"},
        JOB % "BalanceError: it does not balance",
        "wrong_numbers",
    ),
    ("silver.payments", {"raw.payments": "failed"}, "AirflowFailException: trigger again with a date", "wrong_form"),
]


@pytest.fixture(params=SITUATIONS, ids=lambda one: f"{one[0]}-{'-'.join(one[1].values())}-{one[3]}")
def situation(request, monkeypatch):
    class Asleep:
        def __init__(self, *_):
            pass

        def rows(self, *_, **__):
            raise RuntimeError("it sleeps")

    monkeypatch.setattr(warehouse, "Warehouse", Asleep)
    table, changed, error, kind = request.param
    states = {task: "success" for task in ("raw.ingest_orders", "raw.orders", "raw.payments")}
    for task, state in changed.items():
        states |= {task: state}
    _, _, name = next(iter(changed)).replace("raw.ingest_", "raw.").partition(".")
    stopped = next(iter(changed))
    following = [f"{layer}.{name}" for layer in ("raw", "bronze", "silver")]
    for task in following[following.index(stopped) + 1 if stopped in following else 0 :]:
        states[task] = "upstream_failed" if changed[stopped] == "failed" else None
    note = {"error": error, "try_number": 4} if error else {}
    return table, states, (lambda task: note if states.get(task) == "failed" else {}), kind


def mailed(table, states, note, monkeypatch):
    sent = []
    monkeypatch.setattr(mail, "send", lambda card, env, identity: sent.append(card))
    ti = SimpleNamespace(xcom_pull=lambda task_ids, **_: note(task_ids))
    post = _Post(load_environment("local"), ti, RunLog(warehouse.Warehouse()), "")
    post.send(Event.MISSED, [Deadline(table, DAY, datetime(2026, 1, 16, 4, tzinfo=UTC))], Day(RUN, states))
    return sent[0]


def shown(table, states, note, monkeypatch):
    monkeypatch.setattr(airflow_states, "note", lambda session, task, task_id: note(task_id))
    board = SimpleNamespace(tasks=lambda day: {t: SimpleNamespace(run_id=RUN, state=s) for t, s in states.items()})
    layer, _, name = table.partition(".")
    state = cells.FAILED if states.get(table) == "failed" else "overdue"
    cell = SimpleNamespace(day=DAY, deadline=None, state=state, layer=layer, name=name, task_id=table)
    return collect(app._facts(None, board, cell), load_environment("local"), None)


def printed(table, states, note):
    run = {"dag_run_id": RUN, "conf": {"ingestion_date": str(DAY)}, "logical_date": None, "run_after": None}
    client = SimpleNamespace(xcom=lambda dag, run_id, task, key: note(task) if key == "incident" else None)
    own = {"task_id": table, "state": states.get(table)}
    found = [{"task_id": task, "state": state} for task, state in states.items()]
    return " ".join(incident._card(SimpleNamespace(settings=dict), client, run, own, found).split())


def test_all_three_say_the_same(situation, monkeypatch):
    table, states, note, kind = situation
    e_mail, page = (say(table, states, note, monkeypatch) for say in (mailed, shown))
    assert (e_mail.kind, page.kind) == (kind, kind)
    assert (e_mail.action, e_mail.command, e_mail.airflow_url) == (page.action, page.command, page.airflow_url)
    said = printed(table, states, note)
    for part in (e_mail.action, e_mail.command, e_mail.airflow_url, e_mail.error):
        assert " ".join(part.split()) in said


def test_the_situations_are_of_every_kind_that_a_task_of_the_day_has():
    others = {model.Kind.DATA_TEST, model.Kind.DBT_MODEL, model.Kind.ERASURE}  # of other DAGs
    others |= {model.Kind.MISSING_DAYS, model.Kind.QUALITY_GATE}  # of no task before a table
    assert {kind for *_, kind in SITUATIONS} == set(model.Kind) - others
