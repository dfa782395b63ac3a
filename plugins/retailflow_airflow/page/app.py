"""The page's routes. Only users who may read the runs of `retailflow_daily` can use them.

The style sheet and the script are open to everyone.
"""

import logging
import os
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import jinja2
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.exceptions import AirflowException
from airflow.models.dag import DagModel
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from retailflow.contracts import feeds, gold_tables
from retailflow.environments import Environment, load_environment
from retailflow_airflow.incident import Event, Facts, backfill, collect, describe, facts_of, replay_outdated
from retailflow_airflow.incident import RunLog as IncidentRunLog
from retailflow_airflow.missing import is_complete
from retailflow_airflow.page import airflow_states, cells, trend
from retailflow_airflow.page.cache import Cache, Known
from retailflow_airflow.page.lane import BusyError, Lane
from retailflow_airflow.page.run_log import RunLog, quarantine_reasons, quarantine_records, read_run_log
from retailflow_airflow.warehouse import Warehouse, WarehouseError

_log = logging.getLogger(__name__)
STRIP_DAYS = 30
_RUN_LOG_SECONDS = 60  # minimum time between two reads of the run log
_CARD_SECONDS = 8
_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# The report is one file that contains its style and its script.
_REPORT_HEADERS = _HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
}
_MAY_READ = Depends(requires_access_dag("GET", DagAccessEntity.RUN, airflow_states.DAG_ID))
_ON_CALL = Depends(requires_access_dag("PUT", DagAccessEntity.RUN, airflow_states.DAG_ID))


def _is_on_call(user: GetUserDep) -> bool:
    """Return whether Airflow lets this user change the runs. Only these users see records: they can be personal."""
    dag = DagDetails(id=airflow_states.DAG_ID, team_name=DagModel.get_team_name(airflow_states.DAG_ID))
    return get_auth_manager().is_authorized_dag(method="PUT", access_entity=DagAccessEntity.RUN, details=dag, user=user)


def _in_bounds(day: date) -> date:
    """Return the day. Raises: ValueError if it is not between 2000 and 2100, so that the days around it exist too."""
    if not date(2000, 1, 1) <= day <= date(2100, 1, 1):
        raise ValueError(f"{day} is not between 2000 and 2100")
    return day


IsOnCall = Annotated[bool, Depends(_is_on_call)]
Day = Annotated[date, AfterValidator(_in_bounds)]


def create_app() -> FastAPI:
    app = FastAPI(dependencies=[_MAY_READ], openapi_url=None)
    env, run_log = load_environment(), Cache(read_run_log, _RUN_LOG_SECONDS)
    lane = Lane(threads=2, places=10, seconds=_CARD_SECONDS + 2)
    pages = _templates(env)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))

    def rendered(template: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(template).render(**values), headers=_HEADERS)

    def board(session: Session, known: Known[RunLog], first: date, last: date) -> cells.Board:
        tasks, recorded = airflow_states.tasks(session, first, last), known.value or RunLog()
        missing = [day for day in airflow_states.missing_days(session) if not is_complete(recorded.silver(day))]
        return cells.Board(env, recorded, tasks, _now(), missing)

    def details(session: Session, layer: str, name: str, day: date, is_on_call: bool) -> dict[str, Any]:
        if (contract := cells.contract_of(layer, name)) is None:
            raise HTTPException(404, f"There is no {layer}.{name}.")
        known = run_log.get(airflow_states.last_written(session))
        recorded = known.value or RunLog()
        cell = board(session, known, day, day).cell(layer, contract, day)
        task_id = cell.task_id
        return {
            "cell": cell,
            "contract": contract,
            "drift": recorded.drift.get((name, day), []) if layer == "bronze" else [],
            "audits": _audits(recorded, cell) if layer == "gold" else [],
            "release": recorded.release,
            "tries": airflow_states.tries(session, cell.task, task_id) if cell.task else [],
            "databricks_page": airflow_states.databricks_page(session, cell.task, task_id) if cell.task else None,
            "dag_id": airflow_states.DAG_ID,
            "is_on_call": is_on_call,
        }

    @app.get("/")
    def page(
        session: SessionDep,
        is_on_call: IsOnCall,
        date_: Annotated[str, Query(alias="date")] = "",
        days: Annotated[int, Query(ge=30, le=400)] = 90,
        cell: Annotated[str, Query(pattern=r"^\w+\.\w+$")] | None = None,
    ) -> HTMLResponse:
        known = run_log.get(airflow_states.last_written(session))
        recorded = known.value or RunLog()
        first, last = recorded.days or (None, None)
        yesterday = _now().date() - timedelta(days=1)
        # If the schedule is still active, show last night even if nothing was recorded.
        newest = yesterday if env.schedule.last_date is None or last is None else last
        shown = _date_of(date_) or newest
        strip = list(cells.days_until(shown, STRIP_DAYS))
        answer = rendered(
            "page.html",
            known=known,
            day=shown,
            refused=bool(date_) and shown != _date_of(date_),
            first=first,
            newest=newest,
            strip=strip,
            board=board(session, known, strip[0], shown),
            outdated=recorded.outdated,
            feeds=feeds(),
            gold_tables=gold_tables(),
            plots=_plots(recorded, shown, days),
            days=days,
            opened=cell is not None,
            has_report=_report().is_file(),
            **details(session, *cell.split("."), shown, is_on_call) if cell else {},
        )
        if known.value is None and known.error is None:
            answer.headers["Refresh"] = "2"  # the run log is being read for the first time
        return answer

    @app.get("/cell/{layer}/{name}/{day}")
    def cell(layer: str, name: str, day: Day, session: SessionDep, is_on_call: IsOnCall) -> HTMLResponse:
        return rendered("cell.html", **details(session, layer, name, day, is_on_call))

    # Routes that query the warehouse are `async` and use our own threads: see lane.py.

    def facts(layer: str, name: str, day: Day, session: SessionDep) -> Facts:
        if (contract := cells.contract_of(layer, name)) is None:
            raise HTTPException(404, f"There is no {layer}.{name}.")
        known = board(session, run_log.get(airflow_states.last_written(session)), day, day)
        return _facts(session, known, known.cell(layer, contract, day))

    @app.get("/incident/{layer}/{name}/{day}")
    async def incident(found: Annotated[Facts, Depends(facts)]) -> HTMLResponse:
        """Return the card of the e-mail. It queries the warehouse, so the page loads it after the cell."""
        known = IncidentRunLog(Warehouse(env), _CARD_SECONDS)
        return rendered("incident.html", card=await lane.run(partial(collect, found, env, known)))

    @app.get("/quarantine/{name}/{day}")
    async def reasons(name: str, day: Day) -> HTMLResponse:
        return rendered("reasons.html", reasons=await lane.run(partial(quarantine_reasons, _feed(name), day)))

    @app.get("/quarantine/{name}/{day}/records", dependencies=[_ON_CALL])
    async def records(name: str, day: Day) -> HTMLResponse:
        return rendered("records.html", records=await lane.run(partial(quarantine_records, _feed(name), day)))

    @app.get("/report")
    def report() -> FileResponse:
        """What `./retailflow report` wrote last."""
        if not _report().is_file():
            raise HTTPException(404, "There is no report yet: ./retailflow report")
        return FileResponse(_report(), media_type="text/html", headers=_REPORT_HEADERS)

    @app.exception_handler(BusyError)
    @app.exception_handler(WarehouseError)
    @app.exception_handler(AirflowException)
    def silent(_: Request, error: Exception) -> Response:
        """A fragment that could not be read says so in its place."""
        _log.warning("The SQL warehouse did not answer: %s", error)
        return HTMLResponse("<p>The SQL warehouse does not answer. Try again in a minute.</p>", 503, headers=_HEADERS)

    return app


def _date_of(text: str) -> date | None:
    """Return the date, or None if it is not a date that the page can show."""
    try:
        return _in_bounds(date.fromisoformat(text))
    except ValueError:
        return None


def _report() -> Path:
    """Return the path of the local report. The cloud has none, because analysts use dashboards there."""
    return Path(os.environ.get("RETAILFLOW_REPORT", os.devnull))


def _templates(env: Environment) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_HERE / "templates")
    pages = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {"short": trend.short, "count": lambda number: "" if number is None else f"{number:,}"}
    pages.globals |= {"states": cells.STATES, "spoken": cells.spoken, "timedelta": timedelta}
    pages.globals |= {"env": env, "trend": trend, "describe": describe}
    pages.globals["airflow"] = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    pages.globals["replay_outdated"] = lambda days: replay_outdated(days, env)
    pages.globals["backfill"] = lambda days: backfill(airflow_states.DAG_ID, days, env)
    return pages


def _facts(session: Session, board: cells.Board, cell: cells.Cell) -> Facts:
    """Return the same facts as the e-mail: see incident/culprit.py."""
    tasks = board.tasks(cell.day)
    more: dict[str, Any] = {"deadline": cell.deadline, "days": (cell.day,) if cell.state is cells.MISSING else ()}
    if cell.state is cells.UNBALANCED:
        more["error"] = f"{cell.task_id} of {cell.day} does not balance: records are lost or doubled."
    return facts_of(
        Event.FAILED if cell.state is cells.FAILED else Event.MISSED,
        f"{cell.layer}.{cell.name}",
        cell.day,
        next((task.run_id for task in tasks.values()), None),
        {task_id: task.state for task_id, task in tasks.items()},
        lambda task_id: airflow_states.note(session, tasks[task_id], task_id),
        **more,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _feed(name: str) -> str:
    if cells.contract_of("silver", name) is None:
        raise HTTPException(404, f"There is no feed {name}.")
    return name


def _audits(run_log: RunLog, cell: cells.Cell) -> list[dict[str, Any]]:
    """Return the audit results of the table from the day's own run, or from any run on the day of its publication.

    A day is published on the day after it.
    """
    run_id, morning = (cell.run or {}).get("databricks_run_id"), cell.day + timedelta(days=1)
    found = run_log.audits.get(cell.name, [])
    return [row for row in found if row["databricks_run_id"] == run_id or row["audited_at"].date() == morning]


def _plots(run_log: RunLog, last: date, count: int) -> list[tuple[str, list[trend.Plot]]]:
    first = last - timedelta(days=count - 1)
    return [(title, [trend.Plot(name, days, first, last) for name, days in group]) for title, group in run_log.trends]
