"""Query the lakehouse and write the page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader

from retailflow_local import dbt
from retailflow_local.analytics import charts, queries
from retailflow_local.downloads import Progress
from retailflow_local.errors import WorkspaceError
from retailflow_local.spark_client import session
from retailflow_local.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def run(workspace: Workspace, on_step: Progress) -> Path:
    """Rebuild the marts, write `report/index.html` under the workspace's root, and return its path.

    It starts the processes that it needs, and stops them at the end.

    Raises:
        WorkspaceError: dbt fails, or there is no GOLD yet.
    """
    with workspace.running(on_step=on_step):
        on_step("Marts", "")
        dbt.build(workspace, "build")
        on_step("Report", "")
        with session(workspace.spark_remote) as spark:
            text = render(spark)
    path = Path(workspace.settings()["RETAILFLOW_REPORT"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def render(spark: Any) -> str:
    """Return the page as one HTML document, with style, script and figures inside."""
    totals = queries.ask(spark, queries.TOTALS)
    if totals.empty:
        raise WorkspaceError("GOLD has no sales yet. Run a day first: ./retailflow demo")
    currency = totals["currency"].iloc[0]
    figures = {
        "revenue": charts.revenue(queries.ask(spark, queries.REVENUE, currency), currency),
        "categories": charts.categories(queries.ask(spark, queries.CATEGORIES, currency), currency),
        "stock": charts.stock(queries.ask(spark, queries.STOCK)),
        "funnel": charts.funnel(queries.ask(spark, queries.FUNNEL)),
    }
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    pages.filters["figure"] = lambda value: "" if value is None else f"{value:,}"
    return pages.get_template("page.html").render(
        currency=currency,
        totals=_rows(totals),
        products=_rows(queries.ask(spark, queries.PRODUCTS, currency)),
        ageing=_rows(queries.ask(spark, queries.AGEING)),
        reasons=_rows(queries.ask(spark, queries.REASONS)),
        balance=_rows(queries.ask(spark, queries.BALANCE)),
        fresh=_rows(queries.ask(spark, queries.FRESHNESS))[0],
        script=_script(),
        figures={name: _div(name, figure) for name, figure in figures.items()},
    )


def _rows(frame: Any) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def _script() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _div(name: str, figure: "Figure") -> str:
    return figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"displaylogo": False, "responsive": True}
    )
