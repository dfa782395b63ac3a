"""The endpoints that a deployment uses: files of the workspace, and jobs that are created, replaced and started."""

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from retailflow_local.jobs_api.arguments import Arguments, integer
from retailflow_local.jobs_api.errors import ApiError, invalid, missing
from retailflow_local.jobs_api.submission import RUN_KEYS, parse_submission, resolve_file

if TYPE_CHECKING:
    from retailflow_local.jobs_api.api import Service


def files_router(service: "Service") -> APIRouter:
    router, root = APIRouter(prefix="/workspace"), service.workspace_files

    def place(arguments: dict[str, Any]) -> tuple[str, Path]:
        path = str(arguments.get("path", ""))
        return path, resolve_file(path, root)

    def shown(path: str, file: Path) -> dict[str, Any]:
        return {"path": path, "object_type": "DIRECTORY" if file.is_dir() else "FILE"}

    @router.post("/mkdirs")
    def mkdirs(arguments: Arguments) -> dict[str, Any]:
        place(arguments)[1].mkdir(parents=True, exist_ok=True)
        return {}

    @router.post("/import")
    def import_file(arguments: Arguments) -> dict[str, Any]:
        path, file = place(arguments)
        if not file.parent.is_dir():
            raise missing(f"The parent folder of {path} does not exist.")
        if file.exists() and str(arguments.get("overwrite", False)).lower() != "true":
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"{path} already exists.")
        try:
            file.write_bytes(base64.b64decode(str(arguments.get("content", "")), validate=True))
        except binascii.Error:
            raise invalid("content must be Base64") from None
        return {}

    @router.get("/get-status")
    def get_status(arguments: Arguments) -> dict[str, Any]:
        path, file = place(arguments)
        if not file.exists():
            raise missing(f"Path ({path}) doesn't exist.")
        return shown(path, file)

    @router.get("/list")
    def list_files(arguments: Arguments) -> dict[str, Any]:
        path, folder = place(arguments)
        if not folder.is_dir():
            raise missing(f"Path ({path}) doesn't exist.")
        return {"objects": [shown(f"{path.rstrip('/')}/{file.name}", file) for file in sorted(folder.iterdir())]}

    return router


def named_jobs_router(service: "Service") -> APIRouter:
    """Return the endpoints for jobs of one task, like the smoke test: the local workspace does not order tasks."""
    router, store = APIRouter(), service.store

    def settings_of(arguments: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        job_id = integer(arguments, "job_id")
        settings = store.job(job_id) if job_id is not None else None
        if job_id is None or settings is None:
            raise missing(f"Job {job_id} does not exist.")
        return job_id, settings

    @router.post("/create")
    def create(arguments: Arguments) -> dict[str, int]:
        return {"job_id": store.put_job(arguments)}

    @router.post("/reset")
    def reset(arguments: Arguments) -> dict[str, Any]:
        job_id, _ = settings_of(arguments)
        store.put_job(arguments["new_settings"], job_id)
        return {}

    @router.get("/get")
    def get(arguments: Arguments) -> dict[str, Any]:
        job_id, settings = settings_of(arguments)
        return {"job_id": job_id, "settings": settings}

    @router.get("/list")
    def list_jobs(arguments: Arguments) -> dict[str, Any]:
        jobs = [{"job_id": job_id, "settings": settings} for job_id, settings in store.jobs()]
        return {"jobs": [job for job in jobs if arguments.get("name") in (None, job["settings"].get("name"))]}

    @router.post("/run-now")
    def run_now(arguments: Arguments) -> dict[str, int]:
        job_id, settings = settings_of(arguments)
        values = {item["name"]: item["default"] for item in settings.get("parameters", ())}
        values |= arguments.get("job_parameters") or {}
        payload = {key: value for key, value in settings.items() if key in RUN_KEYS}
        payload |= {"run_name": settings.get("name", "Untitled"), "tasks": _with_values(settings["tasks"], values)}
        run_id, _ = store.add(parse_submission(payload, service.workspace_files), job_id)
        run = store.run(run_id)
        assert run is not None
        service.runner.submit(run)
        return {"run_id": run_id, "number_in_job": run_id}

    return router


def _with_values(tasks: list[dict[str, Any]], values: dict[str, str]) -> list[dict[str, Any]]:
    """Return the tasks with the values of the job's parameters in place of the references."""
    filled = []
    for task in tasks:
        python_task = dict(task["spark_python_task"])
        for name, value in values.items():
            reference = f"{{{{job.parameters.{name}}}}}"
            python_task["parameters"] = [text.replace(reference, value) for text in python_task["parameters"]]
        filled.append({**task, "spark_python_task": python_task})
    return filled
