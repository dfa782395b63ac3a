"""How an entry script is called: the same whether Airflow submits it or a Databricks job has it as a task."""

from collections.abc import Sequence
from typing import Any

from retailflow.environments import Environment


def python_task(env: Environment, script: str, parameters: Sequence[str]) -> dict[str, Any]:
    """The `spark_python_task` that runs `<script>.py` of the deployed code."""
    return {"python_file": f"{env.jobs_root}/{script}.py", "parameters": ["--env", env.name, *parameters]}


def for_day(script: str, subject: str, date: str) -> list[str]:
    """The parameters of a script that works on one entity or GOLD table, and one date."""
    return ["--table" if script == "gold" else "--entity", subject, "--date", date]
