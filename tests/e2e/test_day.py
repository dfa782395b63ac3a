"""One simulated day through the production DAG: real scheduler, triggerer, operator, Spark, Delta and Azurite."""

import json
import shutil
import time
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import requests
from chromium import launched

from retailflow.contracts import feed_contract, feeds, gold_tables
from retailflow.environments import load_environment
from retailflow.raw import batches_path, complete
from retailflow_delivery import bi, contract_tests, cost
from retailflow_local import analytics, dbt, dictionary
from retailflow_local.simulator.api import within
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.trouble import Trouble, delivered, planted
from retailflow_local.spark_client import session
from retailflow_local.workspace import PROCESSES, REPOSITORY

pytestmark = pytest.mark.e2e

DAG = "retailflow_daily"

DAY = date(2026, 1, 15)
BROKEN_DAY = date(2026, 1, 20)
ALL = [table.name for contract in (*feeds(), *gold_tables()) for table in contract.tables]


@pytest.mark.timeout(900)
def test_a_day_runs_whole_and_a_late_feed_delays_only_its_own_tables(stack):
    deliver_day(stack.workspace.raw_store(), stack.world, DAY, Trouble.some(), leave_open=["payments"])
    run_id = stack.trigger(DAY)
    others = [f"silver.{feed.name}" for feed in feeds() if feed.name != "payments"]
    states = stack.wait(run_id, lambda now: all(now.get(task) == "success" for task in others))
    assert states["raw.payments"] == "deferred"
    assert states["bronze.payments"] is None

    complete(stack.workspace.raw_store(), "payments", DAY)
    states = stack.wait(run_id, lambda now: now["run"] == "success")
    assert set(states.values()) == {"success"}


def bad_of_the_evening_before(world, name: str) -> int:
    """Count the bad records of the hours before the day: the ingestion asks the API for these hours too."""
    yesterday, midnight = DAY - timedelta(days=1), datetime.combine(DAY, datetime.min.time(), UTC)
    found = delivered(world, name, yesterday, Trouble.some())
    start = midnight - timedelta(hours=load_environment("local").sources[name].overlap_hours)
    shown = [id(record) for record in within([record for _, record in found], yesterday, start, midnight)]
    return sum(kind.startswith("bad.") for kind, record in found if id(record) in shown)


def test_every_planted_bad_record_is_in_quarantine_with_a_reason_and_no_other(stack):
    expected = {}
    for feed in feeds():
        counts = planted(stack.world, feed.name, DAY, Trouble.some())
        expected[feed.name] = sum(count for kind, count in counts.items() if kind.startswith("bad."))
        if feed.delivery == "api":
            expected[feed.name] += bad_of_the_evening_before(stack.world, feed.name)
    quarantined = stack.rows([f"quarantine.{feed.name}" for feed in feeds()])
    assert {name.partition(".")[2]: len(rows) for name, rows in quarantined.items()} == expected
    assert min(expected.values()) > 0
    assert not [row for rows in quarantined.values() for row in rows if "reasons=[]" in row]


def test_the_mart_has_the_revenue_of_both_channels_to_the_last_digit_of_its_facts(stack):
    totals = "SELECT channel, currency, sum(net_amount) net FROM spark_catalog.gold.{} GROUP BY ALL ORDER BY ALL"
    with session(stack.workspace.spark_remote) as spark:
        mart = spark.sql(totals.format("daily_revenue_mart")).collect()
        facts = spark.sql(totals.format("fact_sales")).collect()
    assert {row.channel for row in mart} == {"online", "store"}
    assert [(row.channel, row.currency, str(row.net)) for row in mart] == [
        (row.channel, row.currency, str(row.net)) for row in facts
    ]


def test_the_marts_of_dbt_pass_their_tests_and_the_report_shows_them(stack):
    path = analytics.run(stack.workspace, lambda *_: None)
    with session(stack.workspace.spark_remote) as spark:
        query = "SELECT sum(net_amount) AS net FROM spark_catalog.gold.fact_sales WHERE currency = 'EUR'"
        revenue = spark.sql(query).first().net
        for model in dbt.properties("models.yml")["models"]:
            shown = spark.sql(f"DESCRIBE spark_catalog.marts.{model['name']}").collect()
            wanted = {column["name"]: column["description"] for column in model["columns"]}
            assert {row.col_name: row.comment for row in shown} == wanted
            assert all(
                row.data_type == c["data_type"]
                for row, c in zip(shown, model["columns"], strict=True)
                if "data_type" in c
            )
    asked, wrong = [], []
    with launched() as chromium:
        page = chromium.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(path.as_uri())
        row = page.get_by_role("row").filter(has_text="EUR").first
        assert f"{revenue:,}" in row.inner_text()
        assert page.locator(".js-plotly-plot .main-svg").count() >= 4
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        drawn = (
            "[...document.querySelectorAll('.js-plotly-plot')].every(one => one._fullLayout.width <= one.clientWidth)"
        )
        page.wait_for_function(drawn)  # no chart is wider than its place, once all is in place
    assert (asked, wrong) == ([path.as_uri()], [])


def test_the_saved_queries_and_the_dashboard_s_run_and_say_what_the_marts_say(stack):
    folder = REPOSITORY / bi.FOLDER / "databricks"
    with session(stack.workspace.spark_remote) as spark:
        rows = {path.stem: spark.sql(path.read_text()).collect() for path in (folder / "queries").glob("*.sql")}
        by_day = rows.pop("revenue_by_day")
        assert len(rows) == 3
        mart = spark.sql("SELECT * FROM marts.daily_revenue").collect()
        dataset = json.loads((folder / "sales.lvdash.json").read_text())["datasets"][0]
        assert spark.sql("".join(dataset["queryLines"])).count() == spark.sql("SELECT * FROM gold.fact_sales").count()
    said = {(row.business_date, row.channel, row.currency): (row.net_revenue, row.orders, row.units) for row in by_day}
    assert said == {
        (row.business_date, row.channel, row.currency): (row.net_amount, row.order_count, row.unit_count)
        for row in mart
    }


def test_the_cost_of_a_backfill_is_estimated_from_the_run_log(stack):
    paces = cost.known_paces(cost.local_client(stack.workspace), load_environment("local"))
    assert tuple(paces) == cost.TASKS
    with session(stack.workspace.spark_remote) as spark:
        query = "SELECT seconds FROM spark_catalog.ops.task_attempts WHERE layer = 'silver' AND name = 'orders'"
        seconds = sorted(row.seconds for row in spark.sql(query).collect())
    assert seconds[0] <= paces["silver", "orders"].usual <= paces["silver", "orders"].slow <= seconds[-1]


def test_one_java_machine_serves_the_whole_stack(stack):
    names = [process.name() for process in stack.workspace.processes.members(PROCESSES) if process.is_running()]
    assert names.count("java") == 1


@pytest.mark.full
def test_the_same_day_again_leaves_every_row_of_every_table_as_it_was(stack):
    def run() -> dict[str, list[str]]:
        stack.wait(stack.trigger(DAY), lambda now: now["run"] == "success")
        return stack.rows(ALL)

    deliver_day(stack.workspace.raw_store(), stack.world, DAY, Trouble.some())
    before, after = run(), run()
    assert all(before[f"gold.{table.name}"] for table in gold_tables())
    assert [name for name in ALL if after[name] != before[name]] == []


@pytest.mark.full
def test_the_marts_are_built_by_their_dag_too_a_task_a_model(stack):
    run_id = stack.airflow.trigger("retailflow_marts", datetime.now(UTC))
    ended = lambda: stack.airflow.dag_run("retailflow_marts", run_id)["state"] in ("success", "failed")  # noqa: E731
    deadline = time.monotonic() + 800
    while not ended() and time.monotonic() < deadline:
        time.sleep(2)
    states = {task["task_id"]: task["state"] for task in stack.airflow.task_instances("retailflow_marts", run_id)}
    models = {path.stem for path in (dbt.PROJECT / "models").glob("*.sql")}
    assert states == {f"marts.{model}": "success" for model in models}


@pytest.mark.full
def test_the_docs_lead_from_a_mart_back_to_the_source_in_three_clicks(stack):
    first = dictionary.run(stack.workspace, lambda *_: None)
    asked = []
    with launched() as chromium:
        page = chromium.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(first.as_uri())
        page.get_by_role("searchbox").fill("daily_revenue_mart.net_amount")
        page.get_by_role("link", name="gold.daily_revenue_mart.net_amount").click()
        for field, source in (
            ("net_amount", "gold.fact_sales.net_amount"),
            ("net_amount", "silver.orders.lines.unit_price"),
            ("lines.unit_price", "bronze.orders.lines"),
        ):
            page.locator(f"tr[id='{field}']").get_by_role("link", name=source, exact=True).click()
        assert page.url.endswith("bronze.orders.html#lines")
        page.goto(first.with_name("gold.dim_customer.html").as_uri())
        assert "•••" in page.locator("tr[id='email']").inner_text()
    assert [url for url in asked if not url.startswith("file:")] == []
    described = [page.read_text() for page in first.parent.glob("*.html")]
    assert len(described) > 50


@pytest.mark.full
def test_the_tables_keep_their_contracts_as_another_tool_reads_these(stack):
    found = contract_tests.run(stack.workspace, [*feeds(), *gold_tables()])
    assert len(found) == len(feeds()) + len(gold_tables()) and sum(result["checks"] for result in found.values()) > 700
    assert {name: result["wrong"] for name, result in found.items() if result["wrong"]} == {}
    rule = {"type": "custom", "engine": "spark_sql", "implementation": "amount < 0", "description": "too much"}
    (table,) = feed_contract("payments").document["schema"]
    broken = {**feed_contract("payments").document, "schema": [{**table, "quality": [rule]}]}
    result = contract_tests.run(stack.workspace, [replace(feed_contract("payments"), name="broken", document=broken)])[
        "broken"
    ]
    assert len(result["wrong"]) == 1 and result["wrong"][0].startswith("too much: ")


@pytest.mark.full
def test_a_broken_model_stops_only_what_depends_on_it(stack, tmp_path):
    project = Path(shutil.copytree(dbt.PROJECT, tmp_path / "retailflow"))
    model = project / "models" / "customer_value.sql"
    model.write_text(model.read_text().replace("count(DISTINCT", "count(NO_SUCH_FUNCTION(DISTINCT"))
    places = ("--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(tmp_path / "target"))
    assert dbt.run(stack.workspace, ("run", *places)) == 1
    results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
    states = {result["unique_id"].rpartition(".")[2]: result["status"] for result in results}
    assert (states.pop("customer_value"), states.pop("customer_segments")) == ("error", "skipped")
    assert set(states.values()) == {"success"} and len(states) >= 5


def test_a_job_that_raises_says_so_in_the_task_log_and_on_the_run_page(stack):
    store = stack.workspace.raw_store()
    manifest = deliver_day(store, stack.world, BROKEN_DAY, feeds=["stores"])[0]
    path = f"{batches_path('stores', BROKEN_DAY)}/{manifest.batch_id}.json"
    spoiled = json.loads(store.read(path))
    spoiled["files"][0]["records"] += 1
    store._container.upload_blob(path, json.dumps(spoiled), overwrite=True)

    run_id = stack.trigger(BROKEN_DAY)
    stack.wait(run_id, lambda now: now["bronze.stores"] in ("up_for_retry", "failed"))
    said = f"holds {spoiled['files'][0]['records'] - 1} records; its manifest says {spoiled['files'][0]['records']}"
    log = stack.airflow.task_log(DAG, run_id, "bronze.stores", 1)
    assert said in log
    page = next(word for word in log.split() if word.startswith("http") and "/run/" in word)
    assert said in requests.get(page.rstrip(".,'\""), timeout=10).text


def test_no_secret_is_in_logs_database_mails_or_lineage(stack):
    """Law 9, on everything that the stack has written except the files that keep the secrets."""
    root = stack.workspace.root
    secrets = {name: value.encode() for name, value in asdict(stack.workspace.secrets).items()}
    files = [
        path for part in ("airflow", "jobs", "logs", "mail") for path in (root / part).rglob("*") if path.is_file()
    ]
    assert any(path.name == "airflow.db" for path in files)
    found = [(str(path), name) for path in files for name, value in secrets.items() if value in path.read_bytes()]
    assert found == []


def test_a_stopped_stack_leaves_no_process_behind(stack):
    space = stack.workspace
    members = space.processes.members(PROCESSES)
    assert len(members) > 10
    space.stop()
    _gone, alive = psutil.wait_procs(members, timeout=20)
    assert alive == []
