"""The settings that all our DAGs share. A DAG file states only its own settings."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from retailflow.environments import Environment
from retailflow_airflow import remote_log
from retailflow_airflow.failure import report
from retailflow_airflow.impact import Impact, Triage, tags
from retailflow_airflow.macros import MACROS
from retailflow_airflow.repeats import tell_recovery
from retailflow_airflow.unmailed import remember


def defaults(
    env: Environment,
    impact: Impact,
    triage: Triage,
    macros: Mapping[str, Any] = MappingProxyType({}),
    max_active_runs: int = 1,
    *,
    runs_all_day: bool = False,
) -> dict[str, Any]:
    """Return arguments of `DAG(…)`.

    Args:
        runs_all_day: the DAG sends one mail when it starts to fail, and one when it works again; see repeats.py.
        impact, triage: who is affected while the DAG does not work, and when on-call looks at it.
        macros: macros that only the templates of this DAG call.
        max_active_runs: how many scheduled and triggered runs may be active at a time; a backfill has its own limit.
    """
    return {
        "start_date": datetime.combine(env.schedule.first_date, time(), UTC),
        "catchup": False,
        "max_active_runs": max_active_runs,
        "on_failure_callback": remember,
        "on_success_callback": tell_recovery if runs_all_day else None,
        "default_args": {
            "owner": "data-engineering",
            "retries": env.retries.count,
            "retry_delay": timedelta(seconds=env.retries.delay_seconds),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(seconds=env.retries.max_delay_seconds),
            "execution_timeout": timedelta(minutes=env.run_timeout_minutes),
            "on_failure_callback": [report, remote_log.show],
            "on_retry_callback": remote_log.show,
        },
        "user_defined_macros": {**MACROS, **macros},
        "tags": ["retailflow", *tags(impact, triage), *(f"{key}:{value}" for key, value in sorted(env.tags.items()))],
    }
