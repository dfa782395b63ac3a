"""Copies the end of a failed Databricks run's log into the log of its Airflow task."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import XCOM_RUN_ID_KEY, DatabricksSubmitRunOperator

from retailflow_airflow.patience import within
from retailflow_airflow.reaper import last_attempts

LINES = 200
PATIENCE_SECONDS = 30  # Airflow ends the process of a failed task after core.task_success_overtime
_log = logging.getLogger(__name__)


def show(context: Mapping[str, Any]) -> None:
    """Log the output of the Databricks run, as a callback of each failed try.

    If the output cannot be read, this is logged too; it raises nothing.
    """
    task, ti = context["task"], context["ti"]
    if not isinstance(task, DatabricksSubmitRunOperator) or "exception" not in context:
        return
    run_id = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_RUN_ID_KEY, map_indexes=ti.map_index)
    if run_id is None:
        _log.info("Nothing was submitted to Databricks.")
        return
    try:
        for number, lines in within(PATIENCE_SECONDS, partial(_read, task.databricks_conn_id, run_id)):
            _log.info("The last %d lines of Databricks run %s:", min(len(lines), LINES), number)
            for line in lines[-LINES:]:
                _log.info("%s", line)
    except Exception as error:
        _log.warning("The log of Databricks run %s could not be read: %s", run_id, error)


def _read(connection: str, run_id: int) -> list[tuple[int, list[str]]]:
    """Return, for each task of the run, the run id of its last attempt and the lines of its log."""
    hook = DatabricksHook(connection)
    numbers = last_attempts(hook.get_run(run_id))
    return [(number, (hook.get_run_output(number).get("logs") or "").splitlines()) for number in numbers]
