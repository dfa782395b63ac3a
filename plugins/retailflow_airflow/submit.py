"""How we submit: one Databricks run per task, by the provider's own operator."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

from retailflow.compute import submit_fields
from retailflow.contracts import EntityContract, GoldContract
from retailflow.environments import Environment
from retailflow.release import chosen
from retailflow.scripts import for_day, python_task
from retailflow_airflow.lineage import lineage

DATE = "{{ ingestion_date(dag_run, params) }}"
RUN_DATE = "{{ dag_run.run_after | ds }}"  # of a job that is for no ingestion date
# Databricks itself puts in the id of the task's run, the only one that differs for each try.
DATABRICKS_RUN = "{{ '{{task.run_id}}' }}"
_ASKED_BY = (
    "--dag-run",
    "{{ ti.run_id }}",
    "--try",
    "{{ ti.try_number }}",
    "--run-id",
    DATABRICKS_RUN,
)  # for the run log
# By the end of its name runs.py finds the task instance of a run again.
_TRY = "try {{ ti.try_number }}"
_ORIGIN = "{{ airflow_mark() }}, {{ ti.run_id }}{{ ', %d' % ti.map_index if ti.map_index >= 0 else '' }}"

_DOCS = {
    "ingest": """Fetches the day's **{name}** from their API, page by page, byte for byte.

- **Reads** the API, with a token from the secret scope; **writes** RAW `{name}/ingestion_date=<date>/`, never over it.
- **Safe to clear**: always; a delivery that is complete is left as it is, a half one was never visible.
""",
    "bronze": """Stores the day's **{name}** as received. {description}

- **Reads** the batches of RAW `{name}/ingestion_date=<date>/`; **writes** that date of `bronze.{name}`, all of it.
- **Safe to clear**: always; the same RAW gives the same rows.
""",
    "silver": """Keeps the newest valid version of each key of **{name}**. {description}

- **Reads** the date's rows of `bronze.{name}`; **writes** `silver.{name}` (with its versions, where it keeps them) and
  `quarantine.{name}`, where each refused row says why.
- **Safe to clear**: always, also for an old day: it never undoes a newer version.
""",
    "publish": """Shows readers what was built of GOLD and passes its audits, all at once.

- **Reads** what changed of `gold_build.*`; **writes** `ops.releases`, `ops.audits` and the view `gold_build.released`.
- **Runs** once all tables of the run are done or have failed. What an audit holds back is built anew, once, before this
  task fails and names it; the others are published. While a feed is late, `retailflow_watch` starts a publication.
- **Safe to clear**: always.
""",
    "gold": """Recomputes what changed of **{name}**. {description}

- **Reads** {sources}; **writes** `gold.{name}`.
- **Safe to clear**: always.
""",
}
_WHERE_TO_LOOK = """\
- **Where to look**: this task's log ends with the job's last lines; *See Databricks Job Run* opens the job's whole log.
"""


def payload(env: Environment, script: str, subject: str, date: str = DATE) -> dict[str, Any]:
    """The body of runs/submit for a job of one entity or GOLD table and one date, to be rendered by Airflow."""
    return submission(env, script, [*for_day(script, subject, date), *_ASKED_BY], date)


def submission(env: Environment, script: str, parameters: Sequence[str], date: str) -> dict[str, Any]:
    """The body of runs/submit for `<script>.py` of this process's release. Every key is one of `jobs.submit`."""
    release = chosen()
    run_fields, task_fields = submit_fields(env.compute, release, env.tags)
    if env.on_call_group:  # else nobody but the submitter and administrators can open the run that a mail links to
        run_fields["access_control_list"] = [{"group_name": env.on_call_group, "permission_level": "CAN_VIEW"}]
    return {
        "run_name": f"{{{{ ti.dag_id }}}}/{{{{ ti.task_id }}}}/{date}/{_TRY} ({env.name}, {_ORIGIN})",
        "idempotency_token": "{{ idempotency_token(ti) }}",
        "timeout_seconds": env.run_timeout_minutes * 60,
        "tasks": [
            {
                "task_key": "{{ ti.task_id | replace('.', '_') }}",  # Databricks takes no dot there
                "spark_python_task": python_task(env, release, script, parameters),
                **task_fields,
            }
        ],
        **run_fields,
    }


def spark_job(
    env: Environment,
    script: str,
    contract: EntityContract | GoldContract,
    *,
    task_id: str | None = None,
    date: str = DATE,
    **settings: Any,
) -> DatabricksSubmitRunOperator:
    """A task that runs `<script>.py` for what the contract describes. Its id is the contract's name unless given."""
    inlets, outlets = lineage(env, script, contract)
    sources = ", ".join(f"`{source}`" for source in getattr(contract, "sources", ()))
    doc = _DOCS[script].format(name=contract.name, description=contract.description, sources=sources)
    body = payload(env, script, contract.name, date)
    settings |= {"owner": contract.owner, "inlets": inlets, "outlets": outlets}
    return spark_task(env, task_id or contract.name, body, doc, **settings)


def publication(env: Environment, date: str = DATE, **settings: Any) -> DatabricksSubmitRunOperator:
    """The task `publish`. The date only names the run."""
    body = submission(env, "publish", ["--date", date, *_ASKED_BY], date)
    return spark_task(env, "publish", body, _DOCS["publish"], **settings)


def spark_task(
    env: Environment, task_id: str, body: dict[str, Any], doc: str, **settings: Any
) -> DatabricksSubmitRunOperator:
    """A task that submits this body. `doc` says what it reads and writes and when it is safe to clear.

    Deferrable, so that a cleared task always submits anew: the operator's other path takes a run that had succeeded for
    the answer and runs nothing. It is the Databricks run's own `timeout_seconds` that ends a job; Airflow's execution
    timeout covers only the moments in which a worker submits and collects.
    """
    return DatabricksSubmitRunOperator(
        task_id=task_id,
        json=body,
        deferrable=True,
        polling_period_seconds=env.polling_seconds,
        doc_md=doc + _WHERE_TO_LOOK,
        **settings,
    )
