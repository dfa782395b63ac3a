"""The REST endpoints for runs, secrets and tests of a connection. Those for SQL statements are in statements.py."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from retailflow_local.jobs_api.arguments import Arguments, integer
from retailflow_local.jobs_api.deployment import files_router, named_jobs_router
from retailflow_local.jobs_api.errors import ApiError, invalid, missing
from retailflow_local.jobs_api.faults import Fault, Faults
from retailflow_local.jobs_api.page import render_page
from retailflow_local.jobs_api.runner import Runner, read_tail
from retailflow_local.jobs_api.statements import Statements, statements_router
from retailflow_local.jobs_api.store import RunRow, Store
from retailflow_local.jobs_api.submission import parse_submission
from retailflow_local.jobs_api.vault import Vault
from retailflow_local.jobs_api.views import USER, run_view

_LARGEST_PAGE = 25
_OPEN_PATHS = ("/healthz", "/.well-known/databricks-config")


@dataclass(frozen=True)
class Service:
    """The parts that the endpoints use. `log` returns the path of the file with a task run's output."""

    token: str
    base_url: str
    workspace_files: Path
    store: Store
    runner: Runner
    statements: Statements
    vault: Vault
    log: Callable[[int], Path]


def _is_true(arguments: dict[str, Any], name: str) -> bool:
    return str(arguments.get(name, "false")).lower() == "true"


def jobs_router(service: Service) -> APIRouter:
    router = APIRouter()
    store, runner, redact = service.store, service.runner, service.vault.redact

    def named_run(arguments: dict[str, Any]) -> tuple[RunRow, int]:
        run_id = integer(arguments, "run_id")
        if run_id is None:
            raise invalid("run_id is missing")
        run = store.run(run_id)
        if run is None:
            raise missing(f"Run {run_id} does not exist.")
        return run, run_id

    @router.post("/runs/submit")
    def submit(arguments: Arguments) -> dict[str, int]:
        run_id, is_new = store.add(parse_submission(arguments, service.workspace_files))
        run = store.run(run_id)
        if is_new and run:
            runner.submit(run)
        return {"run_id": run_id}

    @router.get("/runs/get")
    def get(arguments: Arguments) -> dict[str, Any]:
        run, run_id = named_run(arguments)
        return run_view(run, run_id, service.base_url)

    @router.get("/runs/get-output")
    def get_output(arguments: Arguments) -> dict[str, Any]:
        run, run_id = named_run(arguments)
        task = next((task for task in run.tasks if task.run_id == run_id), None)
        if task is None:
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of"
                " each individual task run instead: its run_id is in tasks[] of runs/get."
            )
        logs, is_cut = read_tail(service.log(run_id), redact)
        output = {"metadata": run_view(run, run_id, service.base_url), "logs": logs, "logs_truncated": is_cut}
        errors = {"error": task.error, "error_trace": task.error_trace}
        return output | {key: text for key, text in errors.items() if text}

    @router.post("/runs/cancel")
    def cancel(arguments: Arguments) -> dict[str, Any]:
        run, run_id = named_run(arguments)
        for task in run.tasks:
            if run_id in (run.run_id, task.run_id):
                runner.cancel(task)
        return {}

    @router.post("/runs/cancel-all")
    def cancel_all(arguments: Arguments) -> dict[str, Any]:
        job_id, only_queued = integer(arguments, "job_id"), _is_true(arguments, "all_queued_runs")
        if job_id is None and not only_queued:
            raise invalid("Give job_id, or all_queued_runs: true")
        for run in store.runs(active=True, job_id=job_id):
            for task in run.tasks:
                if task.life_cycle_state == "PENDING" or not only_queued:
                    runner.cancel(task)
        return {}

    @router.get("/runs/list")
    def list_runs(arguments: Arguments) -> dict[str, Any]:
        only_active, only_completed = _is_true(arguments, "active_only"), _is_true(arguments, "completed_only")
        if only_active and only_completed:
            raise invalid("active_only and completed_only cannot both be true")
        limit = integer(arguments, "limit")
        limit = 20 if limit is None else limit or _LARGEST_PAGE
        if limit > _LARGEST_PAGE:
            raise invalid(f"limit must be at most {_LARGEST_PAGE}, not {limit}")
        if arguments.get("run_type", "SUBMIT_RUN") != "SUBMIT_RUN":
            return {"runs": [], "has_more": False}
        runs = store.runs(
            before=integer(arguments, "page_token"),
            limit=limit + 1,
            active=only_active if only_active or only_completed else None,
            job_id=integer(arguments, "job_id"),
            start_from=integer(arguments, "start_time_from"),
            start_to=integer(arguments, "start_time_to"),
        )
        shown, has_more = runs[:limit], len(runs) > limit
        with_tasks = _is_true(arguments, "expand_tasks")
        views = [run_view(run, run.run_id, service.base_url, with_tasks) for run in shown]
        page = {"runs": views, "has_more": has_more}
        return page | {"next_page_token": str(shown[-1].position)} if has_more else page

    return router


def workspace_router(service: Service) -> APIRouter:
    """Return the endpoints for secrets, and those that clients call to test a connection."""
    router, vault = APIRouter(), service.vault

    def text(arguments: dict[str, Any], name: str) -> str:
        if not (value := arguments.get(name)):
            raise invalid(f"{name} is missing")
        return str(value)

    @router.get("/secrets/get")
    def get_secret(arguments: Arguments) -> dict[str, str]:
        key = text(arguments, "key")
        return {"key": key, "value": vault.get(text(arguments, "scope"), key)}

    @router.get("/secrets/list")
    def list_secrets(arguments: Arguments) -> dict[str, Any]:
        return {"secrets": [{"key": key} for key in vault.keys(text(arguments, "scope"))]}

    @router.get("/secrets/scopes/list")
    def list_scopes() -> dict[str, Any]:
        return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in vault.scopes()]}

    @router.get("/preview/scim/v2/Me")
    def me() -> dict[str, Any]:
        return {"id": "1", "userName": USER, "displayName": "RetailFlow", "active": True}

    @router.get("/clusters/spark-versions")
    def spark_versions() -> dict[str, Any]:
        return {"versions": [{"key": "local", "name": "Spark Connect on this machine"}]}

    return router


def create_app(service: Service, with_faults: bool) -> FastAPI:
    app = FastAPI(openapi_url=None)
    faults = Faults()
    for version in ("2.0", "2.1", "2.2"):
        app.include_router(jobs_router(service), prefix=f"/api/{version}/jobs")
        app.include_router(named_jobs_router(service), prefix=f"/api/{version}/jobs")
        app.include_router(workspace_router(service), prefix=f"/api/{version}")
        app.include_router(files_router(service), prefix=f"/api/{version}")
        app.include_router(statements_router(service.statements), prefix=f"/api/{version}/sql")

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/run/{run_id}/{key}")
    def run_page(run_id: int, key: str) -> HTMLResponse:
        run = service.store.run(run_id)
        if run is None or not hmac.compare_digest(run.page_key.encode(), key.encode()):
            raise HTTPException(404)
        tails = {task.run_id: read_tail(service.log(task.run_id), service.vault.redact) for task in run.tasks}
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Referrer-Policy": "no-referrer",
        }
        page = service.vault.redact(render_page(run, run_view(run, run.run_id, service.base_url), tails))
        return HTMLResponse(page, headers=headers)

    if with_faults:

        @app.post("/_faults")
        def add_fault(arguments: Arguments) -> dict[str, Any]:
            try:
                faults.add(Fault.model_validate(arguments))
            except ValidationError as error:
                raise invalid(str(error)) from None
            return {}

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Any]) -> Response:
        path = request.url.path
        sent = request.headers.get("Authorization", "").encode()
        if (
            path not in _OPEN_PATHS
            and not path.startswith("/run/")
            and not hmac.compare_digest(sent, f"Bearer {service.token}".encode())
        ):
            return _error(ApiError(401, "UNAUTHENTICATED", "The bearer token is missing or wrong."))
        fault = faults.take(path)
        if fault is None:
            return await call_next(request)
        if fault.drop_response:
            await call_next(request)
        return _error(ApiError(fault.status, "TEMPORARILY_UNAVAILABLE", "A requested fault"), fault.headers)

    @app.exception_handler(ApiError)
    def api_error(_: Request, error: ApiError) -> Response:
        return _error(error)

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> Response:
        message = f"No API found for '{request.method} {request.url.path}'"
        return _error(ApiError(error.status_code, "ENDPOINT_NOT_FOUND", message))

    return app


def _error(error: ApiError, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error_code": error.error_code, "message": error.message}, error.status, headers=headers)
