"""The end of a failed Databricks run's own log, in the log of its task."""

import logging
from collections.abc import Mapping
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import XCOM_RUN_ID_KEY, DatabricksSubmitRunOperator

LINES = 200
_log = logging.getLogger(__name__)


def show(context: Mapping[str, Any]) -> None:
    """A callback for each failed try. What Databricks does not give is said, and fails nothing."""
    task, ti = context["task"], context["ti"]
    if not isinstance(task, DatabricksSubmitRunOperator) or "exception" not in context:
        return
    run_id = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_RUN_ID_KEY, map_indexes=ti.map_index)
    if run_id is None:
        _log.info("Nothing was submitted to Databricks.")
        return
    try:
        hook = DatabricksHook(task.databricks_conn_id)
        for one in hook.get_run(run_id)["tasks"]:
            lines = (hook.get_run_output(one["run_id"]).get("logs") or "").splitlines()
            _log.info("The last %d lines of Databricks run %s:", min(len(lines), LINES), one["run_id"])
            for line in lines[-LINES:]:
                _log.info("%s", line)
    except Exception as error:
        _log.warning("The log of Databricks run %s could not be read: %s", run_id, error)
