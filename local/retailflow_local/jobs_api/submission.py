"""The keys of runs/submit, which are those of Databricks. The server uses those in the models and stores the others."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError, model_validator

from retailflow_local.jobs_api.errors import invalid

WORKSPACE_ROOT = "/Workspace/retailflow/"
# Databricks' keys, written out because importing the SDK takes 2 s; a test compares them with it.
_RUN_KEYS = """
access_control_list budget_policy_id duration_target email_notifications environment_variables environments git_source
health idempotency_token notification_settings performance_target queue run_as run_name tasks timeout_seconds
usage_policy_id webhook_notifications
"""
_TASK_KEYS = """
compute depends_on description disable_auto_optimization disabled email_notifications environment_key
environment_variables_key existing_cluster_id health libraries max_retries min_retry_interval_millis new_cluster
notification_settings retry_on_timeout run_if spark_python_task task_key timeout_seconds webhook_notifications
"""
RUN_KEYS, TASK_KEYS = frozenset(_RUN_KEYS.split()), frozenset(_TASK_KEYS.split())


class AccessControl(BaseModel):
    """The permission of one principal on the run."""

    model_config = ConfigDict(extra="forbid")
    group_name: str | None = None
    service_principal_name: str | None = None
    user_name: str | None = None
    permission_level: Literal["CAN_MANAGE", "CAN_MANAGE_RUN", "CAN_VIEW", "IS_OWNER"]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(bool(name) for name in (self.group_name, self.service_principal_name, self.user_name)) != 1:
            raise ValueError("exactly one of group_name, service_principal_name and user_name must be given")
        return self


class SparkPythonTask(BaseModel):
    model_config = ConfigDict(extra="forbid")
    python_file: str
    parameters: list[StrictStr] = []
    source: Literal["WORKSPACE"] = "WORKSPACE"


class Task(BaseModel):
    model_config = ConfigDict(extra="allow")
    task_key: str = Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")
    spark_python_task: SparkPythonTask
    timeout_seconds: int = Field(0, ge=0, description="0: no limit")
    environment_key: str | None = None
    disable_auto_optimization: bool = False

    @property
    def is_serverless(self) -> bool:
        """True if the task names no cluster."""
        return not {"new_cluster", "existing_cluster_id"} & (self.model_extra or {}).keys()

    @property
    def is_repeated(self) -> bool:
        """True if Databricks repeats the task after a failure, as auto-optimization does on serverless compute."""
        return self.is_serverless and not self.disable_auto_optimization


class Environment(BaseModel):
    model_config = ConfigDict(extra="allow")
    environment_key: str
    spec: dict[str, Any] = {}


class Submission(BaseModel):
    model_config = ConfigDict(extra="allow")
    run_name: str = "Untitled"
    idempotency_token: str | None = Field(None, max_length=64)
    timeout_seconds: int = Field(0, ge=0, description="0: no limit")
    tags: dict[str, str] = {}
    access_control_list: list[AccessControl] = []
    environments: list[Environment] = []
    tasks: list[Task] = Field(min_length=1, max_length=100)


def parse_submission(payload: dict[str, Any], workspace_files: Path) -> Submission:
    """Validate a runs/submit payload. Besides Databricks' keys it may have `tags`, for the run page.

    Raises:
        ApiError: 400 with a sentence that names the key.
    """
    if unknown := sorted(payload.keys() - RUN_KEYS - {"tags"}):
        raise invalid(f"runs/submit has no key {unknown[0]!r}; a task's own settings belong in tasks[]")
    tasks = payload.get("tasks")
    for position, task in enumerate(tasks if isinstance(tasks, list) else []):
        if isinstance(task, dict):
            _check_task_keys(f"tasks[{position}]", task)
    try:
        submission = Submission.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from None
    keys = [task.task_key for task in submission.tasks]
    if len(set(keys)) < len(keys):
        raise invalid("tasks: every task_key must be there once")
    environments = {environment.environment_key for environment in submission.environments}
    for task in submission.tasks:
        resolve_file(task.spark_python_task.python_file, workspace_files)
        if task.environment_key and task.environment_key not in environments:
            raise invalid(f"environment_key {task.environment_key!r} of {task.task_key} is none of environments[]")
        if task.is_serverless and not task.environment_key:
            raise invalid(f"An environment is required for serverless task {task.task_key}: set environment_key")
    return submission


def _check_task_keys(where: str, task: dict[str, Any]) -> None:
    kinds = sorted(key for key in task if key.endswith("_task") and key != "spark_python_task")
    if kinds:
        raise invalid(f"{where}.{kinds[0]}: the local workspace runs spark_python_task only")
    if unknown := sorted(task.keys() - TASK_KEYS):
        raise invalid(f"{where} has no key {unknown[0]!r}")
    if task.get("depends_on"):
        raise invalid(f"{where}.depends_on: the local workspace does not order tasks; submit one run a task")


def resolve_file(workspace_path: str, workspace_files: Path) -> Path:
    """Return the file on this machine that a workspace path names. It may not exist."""
    root = workspace_files.resolve()
    path = (root / workspace_path.removeprefix(WORKSPACE_ROOT)).resolve()
    if not workspace_path.startswith(WORKSPACE_ROOT) or not path.is_relative_to(root):
        raise invalid(f"{workspace_path!r} is outside the workspace; it must lie under {WORKSPACE_ROOT}")
    return path
