"""The card: what it says about an incident and what it never contains. The warehouse is a fake with recorded rows."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from retailflow.environments import load_environment
from retailflow_airflow.incident import Event, Facts, RunLog, collect, html, subject, text
from retailflow_airflow.incident.advice import _SENTENCES
from retailflow_airflow.incident.errors import first_line, kind_of
from retailflow_airflow.incident.model import Kind

DAY = date(2026, 1, 15)
DOCS = Path(__file__).parents[2] / "docs"
PROD = load_environment("prod")
JOB = (
    "AirflowException: Job run failed with terminal state: {'life_cycle_state': 'TERMINATED', "
    "'result_state': 'FAILED', 'state_message': 'Task failed.'} "
    "and with the errors [{'task_key': 'silver_orders', 'run_id': 12, 'error': %r}]"
)


def facts(**changed):
    said = {"event": Event.FAILED, "subject": "silver.orders", "ingestion_date": DAY, "dag_id": "retailflow_daily"}
    said |= {"run_id": "scheduled__2026-01-15T02:00:00+00:00", "task_id": "silver.orders", "state": "failed"}
    return Facts(**said | {"try_number": 4, "error": "ValueError: x"} | changed)


def run(layer, day, read, written, quarantined=0, code="0.1.0", contract="1.0.0"):
    started = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=2)
    counted = {"rows_read": read, "rows_written": written, "rows_quarantined": quarantined}
    versions = {"code_version": code, "contract_version": contract}
    return {"layer": layer, "ingestion_date": day, **counted, **versions, "started_at": started}


class Recorded:
    """A warehouse that gives its recorded answers in the order of the queries."""

    def __init__(self, runs=(), last_dates=(), published=()):
        self.answers = [list(runs), list(last_dates), list(published)]
        self.asked = []

    def rows(self, statement, **parameters):
        self.asked.append((statement, parameters))
        return self.answers[len(self.asked) - 1]


def card(recorded=None, env=PROD, **changed):
    return collect(facts(**changed), env, RunLog(recorded or Recorded()))


def test_the_rows_of_the_day_are_shown_beside_the_median_of_the_last_28_days():
    month = [run("bronze", DAY - timedelta(days=back), 100 + back, 100 + back, None) for back in range(40, 0, -1)]
    found = card(Recorded([*month, run("bronze", DAY, 17, 17, None)])).counts
    # Days 1 to 28 back have 101 to 128 rows; their median, 114.5, is rounded half to even: 114.
    assert [(c.layer, c.what, c.today, c.usual) for c in found] == [
        ("bronze", "read", 17, 114),
        ("bronze", "written", 17, 114),
    ]


def test_a_layer_that_did_not_run_says_so_and_the_newest_run_of_a_date_counts():
    before = DAY - timedelta(days=1)
    found = card(Recorded([run("silver", before, 5, 5, 9), run("silver", before, 100, 90, 10)])).counts
    assert [(c.what, c.today, c.usual) for c in found] == [
        ("read", None, 100),
        ("written", None, 90),
        ("quarantined", None, 10),
    ]
    assert "no run" in text(card(Recorded([run("silver", before, 100, 90, 10)])))


def test_the_last_change_of_code_and_contract_is_named_with_its_moment():
    days = [DAY - timedelta(days=back) for back in (3, 2, 1)]
    versions = [("0.1.0", "1.0.0"), ("0.2.0", "1.0.0"), ("0.2.0", "1.1.0")]
    runs = [run("silver", day, 1, 1, 0, *both) for day, both in zip(days, versions, strict=True)]
    assert card(Recorded(runs)).changes == (
        "Code 0.1.0 → 0.2.0, first run at 2026-01-14 02:00 UTC (silver)",
        "Contract 1.0.0 → 1.1.0, first run at 2026-01-15 02:00 UTC (silver)",
    )


def test_downstream_tables_are_named_with_the_last_date_that_readers_have():
    published = datetime(2026, 1, 15, 5, 2, tzinfo=UTC)
    rows = [{"name": "gold.fact_orders", "last_date": DAY - timedelta(days=1)}]
    found = card(Recorded([], rows, [{"name": "gold.fact_orders", "published_at": published}])).downstream
    by_name = {one.name: (one.last_date, one.published_at) for one in found}
    assert by_name["gold.fact_orders"] == (date(2026, 1, 14), published)
    assert by_name["gold.daily_revenue_mart"] == (None, None)
    assert not {"gold.dim_store", "silver.orders", "silver.customers"} & set(by_name)
    assert card(subject="bronze.orders").downstream[0].name == "silver.orders"
    assert card(subject="gold.daily_revenue_mart").downstream == ()


def test_values_reach_sql_as_parameters_only():
    recorded = Recorded()
    card(recorded, subject="silver.orders")
    assert recorded.asked[0][1] == {"name": "orders", "first": date(2025, 11, 16), "last": DAY}
    assert not [statement for statement, _ in recorded.asked if "orders" in statement or "2026" in statement]


def test_a_warehouse_that_does_not_answer_is_reported_and_asked_only_once():
    class Asleep:
        asked = 0

        def rows(self, statement, **parameters):
            self.asked += 1
            raise RuntimeError("Statement 01 is FAILED: it sleeps")

    asleep = Asleep()
    run_log = RunLog(asleep)
    for made in (collect(facts(), PROD, run_log), collect(facts(subject="gold.fact_sales"), PROD, run_log)):
        assert "The SQL warehouse did not answer, so rows, changes and what readers have are unknown" in text(made)
        assert "it sleeps" in html(made)
        assert "ValueError: x" in text(made)
        assert "gold.daily_revenue_mart" in text(made)
    assert asleep.asked == 1


KINDS = [
    ("late_feed", {"task_id": "raw.orders", "state": "deferred", "error": ""}),
    ("source_api", {"error": JOB % "SourceError: https://crm.example/v1 answered 503 for 2026-01-15: busy"}),
    ("late_feed", {"error": JOB % "FileNotFoundError: x: nothing was delivered for orders on 2026-01-15"}),
    ("bad_batch", {"error": JOB % "BadFile: batch_1.json has 3 bytes; its manifest says 4"}),
    ("drift", {"error": JOB % "BadFile: x lacks order_id, which the contract requires; it has id."}),
    ("quality_gate", {"error": JOB % "AuditError: Blocked, readers keep the last good version. gold.x: a key"}),
    ("wrong_numbers", {"error": JOB % "BalanceError: orders of 2026-01-15 does not balance: 5 records are 4 current"}),
    ("platform", {"error": "AirflowException: API requests to Databricks failed 3 times. Giving up."}),
    ("platform", {"error": "ConnectionError: 503 of Databricks"}),
    ("databricks_failure", {"error": JOB % "ValueError: something new"}),
    ("stuck_run", {"run_id": None, "task_id": None, "state": None, "error": ""}),
    ("stuck_run", {"event": Event.MISSED, "state": "queued", "error": ""}),
    ("stuck_run", {"task_id": "raw.ingest_orders", "state": "deferred", "error": ""}),
    ("lost_worker", {"task_id": "raw.ingest_orders", "error": ""}),
    ("lost_worker", {"error": ""}),
    (
        "refused",
        {"task_id": "raw.orders", "error": "AirflowException: AADSTS7000222: The provided client secret expired"},
    ),
    ("refused", {"task_id": "raw.orders", "error": "HttpResponseError: AuthorizationPermissionMismatch"}),
    (
        "refused",
        {"task_id": "raw.orders", "error": "ServiceRequestError: Cannot connect to host x: getaddrinfo failed"},
    ),
    (
        "wrong_form",
        {"error": "AirflowFailException: 2999-01-01 is not over in UTC: trigger again with an earlier date."},
    ),
    ("data_test", {"dag_id": "retailflow_data_tests", "error": "DataTestError: test_stock.py: not so: stock is known"}),
    ("dbt_model", {"dag_id": "retailflow_marts", "error": "AirflowException: dbt command failed"}),
    ("erasure", {"dag_id": "retailflow_erase", "error": JOB % "RuntimeError: RAW is locked"}),
    ("wrong_numbers", {"state": "success", "error": "silver.orders of 2026-01-15 does not balance: x"}),
    ("missing_days", {"event": Event.MISSED, "days": (DAY,), "error": ""}),
]


@pytest.mark.parametrize(("kind", "changed"), KINDS)
def test_each_incident_has_the_runbook_of_its_kind(kind, changed):
    assert kind_of(facts(**changed)) == kind
    made = card(**changed)
    page = made.runbook_url.removeprefix("https://docs.retailflow.example/retailflow/")
    assert (DOCS / page).is_file()
    assert made.action not in ("", "Nothing to do.")


def test_every_kind_has_advice_of_its_own_and_a_page():
    assert _SENTENCES.keys() == set(Kind)
    assert len(set(_SENTENCES.values())) == len(Kind)
    assert [kind for kind in Kind if not (DOCS / kind.runbook).is_file()] == []


def test_the_error_is_the_job_s_own_line():
    assert card(error=JOB % 'BadFile: it\'s "broken"\nTraceback …').error == 'BadFile: it\'s "broken"'


def test_values_of_rows_addresses_and_long_lines_stay_out():
    spark = "[CAST_INVALID_INPUT] The value 'Anna Huber' of the type \"STRING\" cannot be cast"
    assert first_line(spark) == "[CAST_INVALID_INPUT] The value '…' of the type '…' cannot be cast"
    assert first_line("ValueError: anna.huber@mail.example is twice") == "ValueError: … is twice"
    assert len(first_line("x" * 5000)) == 300
    assert first_line("\n\n  ") == ""


def test_nobody_can_put_markup_into_the_mail():
    shown = html(card(error="ValueError: <script>alert(1)</script>"))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_the_mail_loads_nothing_and_says_the_same_as_the_text():
    runs = [run("silver", DAY - timedelta(days=1), 100, 90, 10)]
    made = card(Recorded(runs), databricks_url="https://adb-1.azuredatabricks.net/run/11")
    shown, plain = html(made), text(made)
    assert not [bad for bad in ("<img", "<link", "@import", "url(", "<script", "src=") if bad in shown]
    for said in ("silver.orders", "2026-01-15", "online-sales", "ValueError: x", "silver quarantined", made.action):
        assert said in shown and said in plain
    for link in (made.airflow_url, made.runbook_url, "https://adb-1.azuredatabricks.net/run/11"):
        assert f'href="{link}"' in shown and link in plain


def test_the_link_leads_to_the_task_instance():
    path = "/dags/retailflow_daily/runs/scheduled__2026-01-15T02%3A00%3A00%2B00%3A00/tasks/silver.orders"
    assert card().airflow_url.endswith(path)
    assert card(map_index=3).airflow_url.endswith(f"{path}/mapped/3")
    assert card(run_id=None, task_id=None).airflow_url.endswith("/dags/retailflow_daily")


def test_the_command_is_one_that_can_be_pasted():
    late = card(task_id="raw.orders", state="deferred", error="")
    assert late.command == (
        "az storage blob list --account-name retailflowprod --container-name raw --auth-mode login "
        "--prefix orders/ingestion_date=2026-01-15/ --output table"
    )
    assert card(env=load_environment("local"), task_id="raw.orders", state="deferred", error="").command == ""
    drifted = card(error="BadFile: x lacks order_id, which the contract requires; it has id")
    assert drifted.command == (
        "airflow dags trigger retailflow_replay --conf "
        '\'{"date_from": "2026-01-15", "date_to": "2026-01-15", "feeds": ["orders"], "dry_run": false}\''
    )


MISSING = {"event": Event.MISSED, "subject": "retailflow_daily", "run_id": None, "task_id": None, "state": None}
MISSING |= {"error": "", "days": (DAY, DAY + timedelta(days=1), DAY + timedelta(days=5))}
FILL = "airflow backfill create --dag-id retailflow_daily --from-date {} --to-date {}T23:59 --max-active-runs 3 "
FILL += "--reprocess-behavior failed"


def test_missing_days_have_a_command_for_each_range_and_airflow_takes_one_backfill_at_a_time():
    made = card(**MISSING)
    assert made.error == "3 scheduled days have no finished run: 2026-01-15 to 2026-01-16, 2026-01-20."
    first, second = FILL.format("2026-01-15", "2026-01-16"), FILL.format("2026-01-20", "2026-01-20")
    assert made.command == f"{first}\n{second}"
    assert f"    {first}\n    {second}\n" in text(made)
    assert made.action.endswith("give the next command when the one before has ended.")
    one = card(**MISSING | {"days": (DAY,)})
    assert one.error == "1 scheduled day has no finished run: 2026-01-15."
    assert "the next command" not in one.action


def test_on_a_laptop_commands_are_those_of_its_own_airflow():
    laptop = load_environment("local")
    assert card(env=laptop, **MISSING).command.startswith("./retailflow airflow backfill create ")
    drifted = card(env=laptop, error="BadFile: x lacks order_id, which the contract requires; it has id")
    assert drifted.command.startswith("./retailflow airflow dags trigger ")


def test_the_subject_says_what_which_and_when():
    deadline = datetime(2026, 1, 16, 4, 0, tzinfo=UTC)
    missed = card(event=Event.MISSED, deadline=deadline, also=("gold.fact_orders", "gold.fact_sales"))
    assert subject(missed) == "[retailflow prod] MISSED silver.orders 2026-01-15, due 04:00 UTC (and 2 more)"
    assert subject(card()) == "[retailflow prod] FAILED silver.orders 2026-01-15"
    assert subject(card(**MISSING)) == "[retailflow prod] MISSED retailflow_daily 2026-01-15 to 2026-01-20 (3 days)"
