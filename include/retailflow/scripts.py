"""How an entry script is called: the same whether Airflow submits it or a Databricks job has it as a task."""

from collections.abc import Sequence
from typing import Any

from retailflow.environments import Environment
from retailflow.release import Release


def python_task(env: Environment, release: Release, script: str, parameters: Sequence[str]) -> dict[str, Any]:
    """The `spark_python_task` that runs `<script>.py` of a release."""
    given = ["--env", env.name, "--release", release.version, *parameters]
    return {"python_file": release.script(script), "parameters": given}


def for_day(script: str, subject: str, date: str) -> list[str]:
    """The parameters of a script that works on one entity or GOLD table, and one date."""
    return ["--table" if script == "gold" else "--entity", subject, "--date", date]
