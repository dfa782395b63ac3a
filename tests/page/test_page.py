"""The page in a real Airflow API server, looked at by a real browser. The warehouse is a stand-in."""

import json
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error as PlaywrightError

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow.missing import Known

from .conftest import serving
from .fake_run_log import ERROR, LAST, REBUILT, RUN_PAGE, SECRET, STUCK, WAITING

pytestmark = pytest.mark.timeout(300)
FEEDS, TABLES = len(feeds()), len(gold_tables())
PAYMENTS = f"/quarantine/payments/{LAST}"


# Who may see what


@pytest.mark.parametrize("path", ["/", f"/cell/silver/orders/{LAST}", PAYMENTS, f"{PAYMENTS}/records"])
def test_the_anonymous_see_nothing(server, path):
    assert server.get(path, user=None).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert requests.get(f"{server.url}/retailflow{path}", headers=wrong, timeout=20).status_code in (401, 403)


def test_only_users_who_may_change_runs_see_the_text_of_records(server):
    assert server.get(f"{PAYMENTS}/records", "viewer").status_code == 403
    shown = server.get(f"{PAYMENTS}/records", "oncall")
    assert shown.status_code == 200
    assert f"&lt;b&gt;{SECRET}&lt;/b&gt;" in shown.text  # as text, whatever it says
    everything = [f"/?date={LAST}&cell=silver.payments", f"/cell/silver/payments/{LAST}", PAYMENTS]
    for path in everything:
        seen = server.settled(path, "viewer")
        assert seen.status_code == 200
        assert SECRET not in seen.text and "/records" not in seen.text
    assert f"{PAYMENTS[1:]}/records" in server.get(everything[1], "oncall").text


def test_an_unknown_cell_or_feed_is_not_found(server):
    for path in (f"/cell/silver/x/{LAST}", f"/cell/ops/orders/{LAST}", f"/quarantine/fact_sales/{LAST}"):
        assert server.get(path, "oncall").status_code == 404
    assert server.get("/cell/silver/orders/2026-13-01", "oncall").status_code == 422
    assert server.get("/?cell=a;b", "oncall").status_code == 422


def test_nothing_is_loaded_from_elsewhere_and_nobody_else_may_frame_it(server):
    policy = server.get("/", "oncall").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy and "unsafe" not in policy


def test_a_report_is_shown_once_there_is_one_and_not_to_the_anonymous(server):
    report = server.database.with_name("report.html")
    assert server.get("/report", "viewer").status_code == 404
    assert ">Report<" not in server.get("/", "viewer").text
    report.write_text("<p>of the marts</p>")
    assert ">Report<" in server.get("/", "viewer").text
    assert server.get("/report", None).status_code == 401
    answer = server.get("/report", "viewer")
    assert "of the marts" in answer.text and "default-src 'none'" in answer.headers["Content-Security-Policy"]


# What it shows


def state_of(page, cell: str) -> str:
    return page.get_by_role("link", name=f"{cell} of {LAST}:").first.get_attribute("aria-label")


def test_each_cell_says_what_became_of_it(visit, server):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}")
    assert state_of(page, "silver.orders").endswith(": failed")
    assert state_of(page, "gold.fact_orders").endswith(": not run: an upstream task failed")
    assert state_of(page, "raw.clickstream").endswith(": waiting for the delivery")
    assert ": done late, " in state_of(page, "silver.store_sales")
    assert ": built, not published, " in state_of(page, "gold.fact_sales")
    assert state_of(page, "silver.payments").endswith(" rows, 37 quarantined")
    assert page.locator("tbody tr").count() == FEEDS + TABLES
    assert page.locator("tbody tr").first.locator("td.day").count() == 30
    assert page.locator(".unusual title").all_inner_texts() != []
    assert page.get_by_text("cost_center=retail-analytics").is_visible()


def test_dates_that_older_code_built_are_shown_with_the_command_of_a_dry_run(visit, server):
    server.settled("/", "viewer")
    page = visit(f"/retailflow/?date={REBUILT - timedelta(days=1)}&cell=silver.inventory", user="viewer")
    banner = page.get_by_role("status", name="Outdated dates")
    assert "396 of silver.inventory. They stay so until they are replayed." in banner.inner_text()
    command = banner.get_by_role("code").inner_text()
    form = json.loads(command.partition("retailflow_replay --conf ")[2].strip("'"))
    dates = {"date_from": str(LAST - timedelta(days=399)), "date_to": str(REBUILT - timedelta(days=1))}
    assert form == {"selection": "outdated", **dates, "feeds": ["inventory"], "dry_run": True}
    assert page.get_by_text("an older contract or older code than").is_visible()
    page = visit(f"/retailflow/?date={REBUILT}&cell=silver.inventory", user="viewer")
    assert page.get_by_text("an older contract or older code than").count() == 0


@pytest.fixture
def found_missing(server):
    """`found_missing(days)`: the watch has found these days missing."""

    def write(days) -> None:
        known = Known(LAST, frozenset(days)).kept
        with closing(sqlite3.connect(server.database)) as database, database:
            database.execute("DELETE FROM variable")
            row = ("retailflow_watch", json.dumps({"days": known}), False)
            database.execute("INSERT INTO variable (key, val, is_encrypted) VALUES (?, ?, ?)", row)

    yield write
    write([])


def test_days_that_nobody_ran_are_shown_with_the_commands_that_run_them(visit, server, found_missing):
    yesterday, before, done = LAST + timedelta(days=1), STUCK - timedelta(days=1), LAST - timedelta(days=9)
    assert "finished run" not in server.settled("/", "viewer").text
    found_missing([before, STUCK, WAITING, done, LAST, yesterday])
    page = visit(f"/retailflow/?date={yesterday}", user="viewer")
    banner = page.get_by_role("alert", name="Missing days")
    # A run of WAITING is about to start and one of LAST is running; the run log has all of the day that is done.
    assert f"3 scheduled days have no finished run: {before} to {STUCK}, {yesterday}." in banner.inner_text()
    command = "airflow backfill create --dag-id retailflow_daily --from-date {} --to-date {}T23:59"
    assert [code.partition(" --max")[0] for code in banner.get_by_role("code").all_inner_texts()] == [
        command.format(before, STUCK),
        command.format(yesterday, yesterday),
    ]
    cell = page.get_by_role("link", name=f"silver.orders of {yesterday}:").first
    assert cell.get_attribute("aria-label").endswith(": not run: the day is missing")
    assert page.locator(".day .symbol.missing").count() == FEEDS + TABLES
    cell.click()
    page.get_by_role("heading", name="Safe now").wait_for()
    assert command.format(yesterday, yesterday) in page.locator(".incident").inner_text()


def test_a_cell_opens_with_its_tries_its_run_and_the_keyboard_alone(visit, server):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}")
    page.get_by_role("link", name=f"raw.customers of {LAST}:").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    details = page.get_by_role("complementary", name="Details")
    details.get_by_role("heading", name=f"silver.orders {LAST}").wait_for()
    first, second = details.get_by_role("row").all_inner_texts()[1:]
    assert first.split("\t") == ["1", "failed", f"{LAST + timedelta(days=1):%m-%d} 02:09:00", "60 s"]
    assert second.split("\t") == ["2", "failed", f"{LAST + timedelta(days=1):%m-%d} 02:12:00", "48 s"]
    assert details.get_by_role("link", name="See Databricks run").get_attribute("href") == RUN_PAGE
    assert "cell=silver.orders" in page.url
    page.keyboard.press("Escape")
    assert details.is_hidden()
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith(f"silver.orders of {LAST}")


def test_a_failed_cell_has_the_card_of_its_e_mail(visit, server):
    server.settled("/", "viewer")
    page = visit(f"/retailflow/?date={LAST}&cell=silver.orders")
    page.get_by_role("heading", name="Safe now").wait_for()
    card = page.locator(".incident").inner_text()
    assert ERROR in card
    assert "have it delivered again as a new one" in card
    assert "gold.fact_orders" in card
    assert "runbooks/bad_batch.md" in page.locator(".incident").inner_html()


def test_the_grid_is_one_stop_for_tab(visit, server):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}")
    assert page.locator("[role=grid] a").count() == FEEDS * 33 + TABLES * 31
    assert page.locator("[role=grid] a[tabindex='0']").count() == 1


def test_reasons_come_by_themselves_and_records_when_asked_for(visit, server):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}&cell=silver.payments")
    page.get_by_role("cell", name="amount is not a decimal number").wait_for()
    assert SECRET not in page.content()
    page.get_by_role("button", name="Show the records' text").click()
    page.get_by_text(SECRET).wait_for()
    assert page.locator("#records b").count() == 0


def test_in_airflows_frame_it_has_airflows_theme_and_its_links_lead_out(visit, server):
    server.settled("/", "oncall")
    page = visit("/plugin/retailflow", color_scheme="light")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="RetailFlow").wait_for()
    background = "getComputedStyle(document.body).backgroundColor"
    assert frame.locator("body").evaluate(f"() => {background}") == "rgb(255, 255, 255)"
    page.evaluate("localStorage.setItem('theme', 'dark')")
    frame.locator("html[data-theme=dark]").wait_for(state="attached")
    assert frame.locator("body").evaluate(f"() => {background}") == "rgb(18, 18, 20)"
    frame.locator(f"a[href*='date={LAST}'][href$='cell=silver.orders']").first.click()
    frame.get_by_role("link", name="scheduled__").click()
    page.wait_for_url("**/dags/retailflow_daily/runs/**/tasks/silver.orders")


def test_without_a_theme_of_airflow_the_page_takes_that_of_the_system(visit, server):
    server.settled("/", "oncall")
    page = visit("/retailflow/", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 20)"


def test_long_trends_mark_the_days_out_of_the_ordinary(server):
    shown = server.settled(f"/?date={LAST}&days=400", "oncall").text
    for day in (LAST - timedelta(days=20), LAST - timedelta(days=9)):
        assert f"<title>{day}: " in shown
    assert "outside median ± 4 MAD of the same weekday" in shown


def test_a_warehouse_that_does_not_answer_is_reported_and_airflow_is_still_shown(tmp_path):
    with serving(tmp_path, days=0) as server:
        shown = server.settled(f"/?date={LAST}", "oncall").text
        assert "The SQL warehouse does not answer." in shown and "Nothing of the run log is known yet" in shown
        assert f"silver.orders of {LAST}: failed" in shown
        answer = server.get(PAYMENTS, "oncall")
        assert (answer.status_code, "does not answer" in answer.text) == (503, True)


def test_fifty_questions_to_a_warehouse_that_hangs_leave_airflow_as_it_is(tmp_path):
    """Airflow's own API, heartbeats of tasks included, is served by the threads that serve the page."""
    with serving(tmp_path, days=-1) as server, ThreadPoolExecutor(50) as people:
        asked = [f"/incident/silver/orders/{LAST}", f"/quarantine/payments/{LAST}"] * 25
        headers = {"Authorization": f"Bearer {server.token('oncall')}"}
        get = partial(requests.get, headers=headers, timeout=60)
        answers = [people.submit(get, f"{server.url}/retailflow{path}") for path in asked]
        health = get(f"{server.url}/api/v2/monitor/health")
        assert (health.status_code, any(one.done() and one.result().status_code == 200 for one in answers)) == (
            200,
            False,
        )
        codes = Counter(one.result().status_code for one in answers)
    assert codes.keys() <= {200, 503}
    assert codes[503] > 25, "requests beyond the free places are refused at once"


@pytest.mark.parametrize("wrong", ["", "0001-01-05", "9999-12-31", "0", "yesterday"])
def test_an_invalid_date_shows_the_newest_day_and_says_so(server, wrong):
    server.settled("/", "viewer")
    answer = server.get(f"/?date={wrong}&days=90", "viewer")
    assert answer.status_code == 200
    assert ("That is no date" in answer.text) == bool(wrong)


def test_an_answer_that_comes_late_does_not_fill_the_panel_of_another_cell(visit, server):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}")
    held = []
    page.route("**/cell/silver/orders/**", lambda route: held.append(route))
    page.get_by_role("link", name=f"silver.orders of {LAST}:").first.click()
    page.get_by_role("link", name=f"silver.payments of {LAST}:").first.click()
    details = page.get_by_role("complementary", name="Details")
    details.get_by_role("heading", name=f"silver.payments {LAST}").wait_for()
    for route in held:
        with suppress(PlaywrightError):  # the page has aborted it
            route.continue_()
    page.wait_for_timeout(500)
    assert details.get_by_role("heading", name=f"silver.payments {LAST}").is_visible()
    page.go_back()
    page.get_by_role("complementary", name="Details").get_by_role("heading", name=f"silver.orders {LAST}").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible_by_wcag_aa(visit, server, theme):
    server.settled("/", "oncall")
    page = visit(f"/retailflow/?date={LAST}&cell=silver.orders", color_scheme=theme)
    page.get_by_role("heading", name="Safe now").wait_for()
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()
