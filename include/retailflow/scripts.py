"""The call of an entry script. It is the same for a run that Airflow submits and for a task of a Databricks job."""

from collections.abc import Sequence
from typing import Any

from retailflow.environments import Environment
from retailflow.release import Release


def python_task(env: Environment, release: Release, script: str, parameters: Sequence[str]) -> dict[str, Any]:
    """Return the `spark_python_task` that runs `<script>.py` of a release."""
    given = ["--env", env.name, "--release", release.version, *parameters]
    return {"python_file": release.script(script), "parameters": given}


def for_day(script: str, subject: str, date: str) -> list[str]:
    """Return the parameters of a script that works on one feed or GOLD table, and one date."""
    return ["--table" if script == "gold" else "--feed", subject, "--date", date]
