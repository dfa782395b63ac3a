"""Submits Databricks runs: one run per task, with the provider's own operator."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

from retailflow.compute import submit_fields
from retailflow.contracts import FeedContract, GoldContract
from retailflow.environments import Environment
from retailflow.release import chosen
from retailflow.scripts import for_day, python_task
from retailflow_airflow.lineage import lineage

DATE = "{{ ingestion_date(dag_run, params) }}"
RUN_DATE = "{{ dag_run.run_after | ds }}"  # for a job without an ingestion date
# Databricks itself inserts the id of the task's run, which differs for each try.
DATABRICKS_RUN = "{{ '{{task.run_id}}' }}"
_ASKED_BY = (
    "--dag-run",
    "{{ ti.run_id }}",
    "--try",
    "{{ ti.try_number }}",
    "--run-id",
    DATABRICKS_RUN,
)  # for the run log
# reaper.py finds the task instance of a run by the end of the run's name.
_TRY = "try {{ ti.try_number }}"
_ORIGIN = "{{ airflow_mark() }}, {{ ti.run_id }}{{ ', %d' % ti.map_index if ti.map_index >= 0 else '' }}"

_DOCS = {
    "ingest": """Fetches the day's **{name}** from their API, page by page, byte for byte.

- **Reads** the API, with a token from the secret scope; **writes** RAW `{name}/ingestion_date=<date>/` and overwrites
  nothing.
- **Safe to clear**: always; a complete delivery stays unchanged, an incomplete one was never visible.
""",
    "bronze": """Stores the day's **{name}** as received. {description}

- **Reads** the batches of RAW `{name}/ingestion_date=<date>/`; **writes** all rows of that date of `bronze.{name}`.
- **Safe to clear**: always; the same RAW gives the same rows.
""",
    "silver": """Keeps the newest valid version of each key of **{name}**. {description}

- **Reads** the date's rows of `bronze.{name}`; **writes** `silver.{name}` (and its versions, if it keeps them) and
  `quarantine.{name}`, where each invalid record has its reasons.
- **Safe to clear**: always, also for an old day: it never undoes a newer version.
""",
    "publish": """Publishes all GOLD tables that are built and pass their audits, at once.

- **Reads** the changes of `gold_build.*`; **writes** `ops.releases`, `ops.audits` and the view `gold_build.released`.
- **Runs** once all tables of the run are done or have failed. A table that an audit blocks is rebuilt once; if it is
  still blocked, this task fails and names it. The other tables are published. While a feed is late, `retailflow_watch`
  starts a publication.
- **Safe to clear**: always.
""",
    "gold": """Recomputes the affected keys of **{name}**. {description}

- **Reads** {sources}; **writes** `gold.{name}`.
- **Safe to clear**: always.
""",
}
_WHERE_TO_LOOK = """\
- **Where to look**: this task's log ends with the job's last lines; *See Databricks Job Run* opens the whole log.
"""


def payload(env: Environment, script: str, subject: str, date: str = DATE) -> dict[str, Any]:
    """Return the body of runs/submit for a job of one feed or GOLD table and one date, as a template for Airflow."""
    return submission(env, script, [*for_day(script, subject, date), *_ASKED_BY], date)


def submission(env: Environment, script: str, parameters: Sequence[str], date: str) -> dict[str, Any]:
    """Return the body of runs/submit for `<script>.py` of this process's release, with keys of `jobs.submit`."""
    release = chosen()
    run_fields, task_fields = submit_fields(env.compute, release, env.tags)
    if env.on_call_group:  # without it only the submitter and administrators can open the run that a mail links to
        run_fields["access_control_list"] = [{"group_name": env.on_call_group, "permission_level": "CAN_VIEW"}]
    return {
        "run_name": f"{{{{ ti.dag_id }}}}/{{{{ ti.task_id }}}}/{date}/{_TRY} ({env.name}, {_ORIGIN})",
        "idempotency_token": "{{ idempotency_token(ti) }}",
        "timeout_seconds": env.run_timeout_minutes * 60,
        "tasks": [
            {
                "task_key": "{{ ti.task_id | replace('.', '_') }}",  # Databricks accepts no dot here
                "spark_python_task": python_task(env, release, script, parameters),
                **task_fields,
            }
        ],
        **run_fields,
    }


def spark_job(
    env: Environment,
    script: str,
    contract: FeedContract | GoldContract,
    *,
    task_id: str | None = None,
    date: str = DATE,
    **settings: Any,
) -> DatabricksSubmitRunOperator:
    """Return a task that runs `<script>.py` for the contract's feed or table.

    Its id is the contract's name unless `task_id` is given.
    """
    inlets, outlets = lineage(env, script, contract)
    sources = ", ".join(f"`{source}`" for source in getattr(contract, "sources", ()))
    doc = _DOCS[script].format(name=contract.name, description=contract.description, sources=sources)
    body = payload(env, script, contract.name, date)
    settings |= {"owner": contract.owner, "inlets": inlets, "outlets": outlets}
    return spark_task(env, task_id or contract.name, body, doc, **settings)


def publication(env: Environment, date: str = DATE, **settings: Any) -> DatabricksSubmitRunOperator:
    """Return the task `publish`. The date is only part of the run's name."""
    body = submission(env, "publish", ["--date", date, *_ASKED_BY], date)
    return spark_task(env, "publish", body, _DOCS["publish"], **settings)


def spark_task(
    env: Environment, task_id: str, body: dict[str, Any], doc: str, **settings: Any
) -> DatabricksSubmitRunOperator:
    """Return a task that submits this body. `doc` says what it reads and writes and when it is safe to clear.

    The task is deferrable, so that a cleared task always submits a new run: without deferral the operator takes an
    earlier successful run as the result and runs nothing. The Databricks run's own `timeout_seconds` ends a job;
    Airflow's execution timeout covers only the moments in which a worker submits the run and collects its result.
    """
    return DatabricksSubmitRunOperator(
        task_id=task_id,
        json=body,
        deferrable=True,
        polling_period_seconds=env.polling_seconds,
        doc_md=doc + _WHERE_TO_LOOK,
        **settings,
    )
