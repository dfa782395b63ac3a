"""Take the pictures of the page and of an e-mail for docs/images: `python tests/page/pictures.py`."""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / folder) for folder in ("tests/support", "tests/dags")]

from chromium import launched  # noqa: E402
from conftest import Server, serving, signed_in  # noqa: E402
from fake_run_log import LAST  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402
from test_incident import DAY, Recorded, card, run  # noqa: E402

from retailflow_airflow.incident import html  # noqa: E402

PAGES = {
    "page-grid-light": (f"/retailflow/?date={LAST}", "light", False),
    "page-grid-dark": (f"/retailflow/?date={LAST}", "dark", False),
    "page-failed-cell": (f"/retailflow/?date={LAST}&cell=silver.orders", "light", False),
    "page-history-400-days": (f"/retailflow/?date={LAST}&days=400", "light", True),
}


def pictures_of_page(browser: Browser, server: Server) -> None:
    for name, (path, scheme, is_whole) in PAGES.items():
        context = signed_in(browser, server, "oncall", color_scheme=scheme)
        page = context.new_page()
        server.settled(path.removeprefix("/retailflow"), "oncall")  # the first request starts the read of the run log
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
    """Return the e-mail of a day of orders that does not balance, the first after a release of code and contract."""
    before = [DAY - timedelta(days=back) for back in range(28, 0, -1)]
    runs = [run("bronze", day, 2094, 2094, None) for day in before] + [
        run("silver", day, 2094, 1894, 12) for day in before
    ]
    runs.append(run("bronze", DAY, 2113, 2113, None, code="0.2.0", contract="1.1.0"))
    marts = ("gold.daily_revenue_mart", "gold.fact_orders", "gold.fact_sales", "gold.payment_reconciliation")
    made_for = [{"name": mart, "last_date": before[-1]} for mart in marts]
    published = [{"name": mart, "published_at": datetime(2026, 1, 15, 4, 52, tzinfo=UTC)} for mart in marts]
    error = (
        "BalanceError: orders of 2026-01-15 does not balance: 2,113 records are 1,902 current, 96 superseded, 81 "
        "duplicate and 33 quarantined. Clear bronze and silver of that date; if it stays so, rows were changed by hand."
    )
    link = "https://databricks.example/jobs/1/runs/12"
    return html(card(Recorded(runs, made_for, published), error=error, databricks_url=link))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, serving(Path(home), days=400) as server, launched() as browser:
        pictures_of_page(browser, server)
        pictures_of_mail(browser)
