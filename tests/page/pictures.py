"""Takes the pictures in docs/images of the page and of an e-mail anew: `python tests/page/pictures.py`."""

import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("include", "plugins", "tests/support")]

from chromium import launched  # noqa: E402
from conftest import Server, serving  # noqa: E402
from fake_ledger import LAST  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

PAGES = {
    "page-grid-light": (f"/retailflow/?date={LAST}", "light", False),
    "page-grid-dark": (f"/retailflow/?date={LAST}", "dark", False),
    "page-failed-cell": (f"/retailflow/?date={LAST}&cell=silver.orders", "light", False),
    "page-history-400-days": (f"/retailflow/?date={LAST}&days=400", "light", True),
}


def pictures_of_page(browser: Browser, server: Server) -> None:
    for name, (path, scheme, is_whole) in PAGES.items():
        context = browser.new_context(viewport={"width": 1500, "height": 980}, color_scheme=scheme)
        context.add_cookies([{"name": "_token", "value": server.token("oncall"), "url": server.url}])
        page = context.new_page()
        server.settled(path.removeprefix("/retailflow"), "oncall")  # it reads the ledger behind the first that asks
        page.goto(server.url + path)
        page.get_by_role("heading", name="Trends").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png", full_page=is_whole)
        context.close()


def pictures_of_mail(browser: Browser) -> None:
    mail = incident_mail()
    for suffix, scheme in (("", "light"), ("-dark", "dark")):
        page = browser.new_page(viewport={"width": 570, "height": 600}, device_scale_factor=2, color_scheme=scheme)
        page.set_content(mail)
        page.screenshot(path=ROOT / "docs" / "images" / f"incident-email{suffix}.png", full_page=True)


def incident_mail() -> str:
    """The e-mail of a day of orders whose records do not add up."""
    from retailflow.environments import load_environment
    from retailflow_airflow.incident import Event, Facts, Ledger, collect, html

    day = date(2026, 1, 15)
    error = (
        "BalanceError: orders of 2026-01-15 does not balance: 2,113 records are 1,902 current, 96 superseded, 81 "
        "duplicate and 33 quarantined. Clear bronze and silver of that date; if it stays so, rows were changed by hand."
    )
    said = {"event": Event.FAILED, "subject": "silver.orders", "ingestion_date": day, "dag_id": "retailflow_daily"}
    said |= {"run_id": "scheduled__2026-01-16T02:00:00+00:00", "task_id": "silver.orders", "state": "failed"}
    said |= {"try_number": 4, "error": error, "databricks_url": "https://databricks.example/jobs/1/runs/12"}
    before = [day - timedelta(days=back) for back in range(28, 0, -1)]
    counts = {"bronze": (2094, 2094, None), "silver": (2094, 1894, 12)}
    runs = [ran(layer, back, *counted, back == before[-1]) for back in before for layer, counted in counts.items()]
    runs.append(ran("bronze", day, 2113, 2113, None, True))
    marts = ("daily_revenue_mart", "fact_orders", "fact_sales", "payment_reconciliation")
    made_for = [{"name": f"gold.{mart}", "last_date": before[-1]} for mart in marts]
    published = [{"name": f"gold.{mart}", "published_at": datetime(2026, 1, 15, 4, 52, tzinfo=UTC)} for mart in marts]
    answers = iter((runs, made_for, published))
    warehouse = SimpleNamespace(rows=lambda statement, **parameters: next(answers))
    return html(collect(Facts(**said), load_environment("prod"), Ledger(warehouse)))


def ran(layer: str, day: date, read: int, written: int, quarantined: int | None, is_new: bool) -> dict:
    """A row of the ledger; new is the code and the contract of the last day before."""
    started = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=2, minutes=14)
    counted = {"rows_read": read, "rows_written": written, "rows_quarantined": quarantined}
    code, contract = ("0.2.0", "1.1.0") if is_new else ("0.1.0", "1.0.0")
    versions = {"code_version": code, "contract_version": contract}
    return {"layer": layer, "ingestion_date": day, **counted, **versions, "started_at": started}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, serving(Path(home), days=400) as server, launched() as browser:
        pictures_of_page(browser, server)
        pictures_of_mail(browser)
