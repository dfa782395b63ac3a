"""Generate the Databricks bundle below resources/: the daily job, orders as a Lakeflow pipeline, a dashboard.

The job is for a platform without Airflow. It has the tasks, scripts and dependencies of the DAG `retailflow_daily` and
uses the same contracts and environment files. A Databricks job has no sensor for ADLS. It runs `landed.py` instead,
which fails until `_SUCCESS` exists and is retried.

Each resource is one file. Values that differ between environments are variables; `targets.yml` has their values. It
also has the budget policy of each resource, because an environment may have none.
"""

import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from retailflow.compute import Serverless, submit_fields
from retailflow.contracts import feeds, gold_tables
from retailflow.environments import Environment, Schedule, load_environment
from retailflow.release import Release
from retailflow.scripts import for_day, python_task

TARGETS = ("dev", "stg", "prod")
JOB = "retailflow_main_pipeline"
PIPELINE = "retailflow_orders_lakeflow"
GOVERN_JOB = "retailflow_govern"
PUBLISH_JOB = "retailflow_publish"
SMOKE_JOB = "retailflow_smoke"
DASHBOARD = "retailflow_sales"
RELEASE = Release("${var.release}")
WAIT_MINUTES = 30  # between two checks of RAW: each starts compute; Airflow's sensor only reads a blob's properties
_DAY = "ingestion_date"
_DATE = f"{{{{job.parameters.{_DAY}}}}}"
_YESTERDAY = "before {{job.trigger.time.iso_date}}"  # a job reference cannot subtract a day; the scripts can
_RUN = "{{task.run_id}}"
_CLUSTER = "shared"
_JOBS = {"service_principal_name": "${var.jobs_principal}"}  # the jobs' identity, no matter who deploys or starts them
_HEAD = """\
# `./retailflow bundle` writes this file from the contracts and include/retailflow/environments/. Edit those instead.
#
# A Databricks job has no sensor for a file in ADLS. Instead, raw_<feed> fails until the day's `_SUCCESS` exists, and
# is retried every {wait} minutes for {hours} hours. A file arrival trigger would start all tasks too early.
# To run another day, set `ingestion_date`, for example 2026-01-15. Only Airflow has late batches, replays, maintenance
# and deadlines. The last task decides the status of a run: `complete` fails if any other task fails and needs no
# compute. {publish} publishes the finished tables while the day still waits for a feed.
# Each release runs {govern} before other jobs: it creates the masks of BRONZE, SILVER and quarantine.
# A deployment starts {smoke} to check that the release runs. It writes nothing.
"""
_PIPELINE_HEAD = """\
# `./retailflow bundle` writes this file from include/retailflow/environments/. Edit those instead.
#
# A declarative pipeline of orders from RAW to SILVER (docs/LAKEFLOW.md). It has no schedule: only you start it. Nothing
# in this repository reads the tables `orders_lakeflow` that it fills.
"""
_DASHBOARD_HEAD = (
    "# `./retailflow bundle` writes this file. The dashboard itself is generated from the metrics (docs/BI.md).\n"
)
_TARGETS_HEAD = "# `./retailflow bundle` writes this file from include/retailflow/environments/. Edit those instead.\n"
# The variables that may differ between environments, and how to read each. None: the environment has no value.
_VARIABLES = {
    "alert_addresses": lambda env: env.alert_addresses,
    "catalog": lambda env: env.catalog,
    "performance_target": lambda env: getattr(env.compute, "performance_target", "STANDARD"),
    "raw_root": lambda env: env.raw.root,
    "readers_warehouse_id": lambda env: env.readers_warehouse_id,
    "tags": lambda env: env.tags,
    "instance_pool_id": lambda env: getattr(env.compute, "instance_pool_id", None),
    "cluster_policy_id": lambda env: getattr(env.compute, "policy_id", None),
}


def outputs(root: Path) -> dict[Path, str]:
    """Return the generated files: the text of each by its path.

    Raises: ValueError if the environments differ in something that is not a variable.
    """
    environments = [load_environment(name) for name in TARGETS]
    written, *others = [_resources(symbolic(env)) for env in environments]
    for env, other in zip(environments[1:], others, strict=True):
        if other != written:
            raise ValueError(
                f"The environment files {TARGETS[0]}.yaml and {env.name}.yaml differ in something that the bundle has "
                f"once for all targets: {_first_difference(written, other)}. Give both the same value, or add a "
                "variable to retailflow_delivery/bundle.py."
            )
    values = {env.name: {"variables": _values(env), **_budget_policy(env)} for env in environments}
    texts = {**written, "targets": _TARGETS_HEAD + _text({"targets": values})}
    return {root / "resources" / f"{name}.yml": text for name, text in texts.items()}


def _values(env: Environment) -> dict[str, Any]:
    return {name: value for name, of in _VARIABLES.items() if (value := of(env)) is not None}


def _budget_policy(env: Environment) -> dict[str, Any]:
    """Return what a target adds to its resources: its own budget policy, or nothing if it has none yet."""
    if not (policy := getattr(env.compute, "budget_policy_id", None)):
        return {}
    jobs = (JOB, PUBLISH_JOB, GOVERN_JOB, SMOKE_JOB)
    added = {"jobs": {name: {"budget_policy_id": policy} for name in jobs}}
    return {"resources": added | {"pipelines": {PIPELINE: {"budget_policy_id": policy}}}}


def _resources(env: Environment) -> dict[str, str]:
    """Return the text of each file of resources by its name."""
    head = _HEAD.format(
        wait=WAIT_MINUTES, hours=env.sensor.timeout_hours, govern=GOVERN_JOB, publish=PUBLISH_JOB, smoke=SMOKE_JOB
    )
    jobs = {JOB: job(env), PUBLISH_JOB: publish_job(env), GOVERN_JOB: govern_job(env), SMOKE_JOB: smoke_job(env)}
    return {
        JOB: head + _text({"resources": {"jobs": jobs}}),
        PIPELINE: _PIPELINE_HEAD + _text({"resources": {"pipelines": {PIPELINE: pipeline(env)}}}),
        DASHBOARD: _DASHBOARD_HEAD + _text({"resources": {"dashboards": {DASHBOARD: dashboard(env)}}}),
    }


def _first_difference(these: dict[str, str], others: dict[str, str]) -> str:
    pairs = (pair for name in these for pair in zip_longest(these[name].splitlines(), others[name].splitlines()))
    return next(f"{(this or '').strip()!r} and {(other or '').strip()!r}" for this, other in pairs if this != other)


def symbolic(env: Environment) -> Environment:
    """Return the environment with references to the bundle's variables for all values that may differ."""
    reference = {name: f"${{var.{name}}}" for name in _values(env)}
    compute = {"performance_target": reference.pop("performance_target"), "budget_policy_id": None}
    compute |= {"instance_pool_id": reference.pop("instance_pool_id", None)}
    compute |= {"policy_id": reference.pop("cluster_policy_id", None)}
    inner = {
        "compute": env.compute.model_copy(update=compute),
        "raw": env.raw.model_copy(update={"root": reference.pop("raw_root")}),
    }
    return env.model_copy(update={"name": "${bundle.target}", **inner, **reference})


class _Dumper(yaml.SafeDumper):
    """Quotes texts that are numbers in YAML 1.2, which the Databricks CLI reads, but not in YAML 1.1."""


_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+")


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "'" if _NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)
_Dumper.ignore_aliases = lambda self, data: True


def _text(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)


def pipeline(env: Environment) -> dict[str, Any]:
    """Return the pipeline; its keys are fields of databricks-bundles' `Pipeline`. It always runs serverless."""
    serverless = env.compute if isinstance(env.compute, Serverless) else Serverless(profile="serverless")
    made = {
        "name": "RetailFlow_Orders_Lakeflow",
        "run_as": _JOBS,
        "catalog": env.catalog,
        "schema": "bronze",  # required; applies to names without a schema, and the pipeline has none
        "serverless": True,
        "libraries": [
            {"file": {"path": RELEASE.script(f"pipelines/{name}")}} for name in ("orders", "orders_databricks")
        ],
        "environment": {
            "dependencies": [f"-r {RELEASE.requirements}"],
            "environment_version": serverless.environment_version,
        },
        "configuration": {"retailflow.raw_root": env.raw.root, "spark.sql.session.timeZone": "UTC"},
        "notifications": [{"email_recipients": env.alert_addresses, "alerts": ["on-update-failure"]}],
        "tags": env.tags,
    }
    return made | ({"budget_policy_id": serverless.budget_policy_id} if serverless.budget_policy_id else {})


def dashboard(env: Environment) -> dict[str, Any]:
    """Return the dashboard; its keys are fields of databricks-bundles' `Dashboard`. Viewers use their own rights."""
    return {
        "display_name": f"RetailFlow sales ({env.name})",
        "file_path": "../include/bi/databricks/sales.lvdash.json",
        "warehouse_id": env.readers_warehouse_id,
        "dataset_catalog": env.catalog,
        "embed_credentials": False,
        "permissions": [{"level": "CAN_READ", "group_name": f"retailflow_{env.name}_analytics"}],
    }


def job(env: Environment) -> dict[str, Any]:
    """Return the daily job; its keys are fields of databricks-bundles' `Job`."""
    run_fields, task_fields = _compute(env)
    return {
        "name": "RetailFlow_Main_Pipeline",
        "description": "RAW to GOLD for one ingestion date.",
        "run_as": _JOBS,
        "schedule": _clock(_quartz(env.schedule)),
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "parameters": [{"name": _DAY, "default": _YESTERDAY}],
        "email_notifications": {"on_failure": env.alert_addresses, "no_alert_for_skipped_runs": True},
        "tags": env.tags,
        **run_fields,
        "tasks": [task | ({} if "condition_task" in task else task_fields) for task in _tasks(env)],
    }


def publish_job(env: Environment) -> dict[str, Any]:
    """Return the job that only publishes, at GOLD's earliest deadline: the main job may still wait for a feed."""
    run_fields, task_fields = _compute(env)
    promised = min(contract.available_by for contract in gold_tables())
    return {
        "name": "RetailFlow_Publish",
        "description": "Publishes the finished tables of GOLD while the day waits for a late feed.",
        "run_as": _JOBS,
        "schedule": _clock(f"0 {promised.minute} {promised.hour} * * ?"),
        "max_concurrent_runs": 1,
        "email_notifications": {"on_failure": env.alert_addresses, "no_alert_for_skipped_runs": True},
        "tags": env.tags,
        **run_fields,
        "tasks": [{"task_key": "publish", **_published(env, _YESTERDAY, after=[]), **task_fields}],
    }


def govern_job(env: Environment) -> dict[str, Any]:
    """Return the job that creates the masks. Each release runs it as its deployer: the jobs may not change policies."""
    run_fields, task_fields = _compute(env)
    task = {
        "task_key": "govern",
        "spark_python_task": {**python_task(env, RELEASE, "govern", []), "source": "WORKSPACE"},
        "timeout_seconds": env.run_timeout_minutes * 60,
    }
    return {
        "name": "RetailFlow_Govern",
        "description": "Functions and policies that mask restricted columns (docs/UNITY_CATALOG.md).",
        "max_concurrent_runs": 1,
        "tags": env.tags,
        **run_fields,
        "tasks": [{**task, **task_fields}],
    }


def smoke_job(env: Environment) -> dict[str, Any]:
    """Return the job that a deployment starts to check code, compute, catalog, RAW and secrets. It writes nothing."""
    run_fields, task_fields = _compute(env)
    task = {
        "task_key": "smoke",
        "spark_python_task": {**python_task(env, RELEASE, "smoke", []), "source": "WORKSPACE"},
        "timeout_seconds": 30 * 60,
    }
    return {
        "name": "RetailFlow_Smoke",
        "description": "Checks that a release runs. Writes nothing.",
        "run_as": _JOBS,
        "max_concurrent_runs": 1,
        "tags": env.tags,
        **run_fields,
        "tasks": [{**task, **task_fields}],
    }


def _clock(quartz: str) -> dict[str, str]:
    return {"quartz_cron_expression": quartz, "timezone_id": "UTC", "pause_status": "${var.clock}"}


def _compute(env: Environment) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that say where a job runs: those of the job, and those of each of its tasks."""
    run_fields, task_fields = submit_fields(env.compute, RELEASE, env.tags)
    if cluster := task_fields.pop("new_cluster", None):
        run_fields["job_clusters"] = [{"job_cluster_key": _CLUSTER, "new_cluster": cluster}]
        task_fields["job_cluster_key"] = _CLUSTER
    return run_fields, task_fields


def _tasks(env: Environment) -> list[dict[str, Any]]:
    """Return the tasks in the order of the layers, with the dependencies of dags/retailflow_daily.py."""
    wait = {
        "max_retries": env.sensor.timeout_hours * 60 // WAIT_MINUTES,
        "min_retry_interval_millis": WAIT_MINUTES * 60_000,
    }
    ingested = {f"raw_ingest_{e.name}": _task(env, "ingest", e.name, []) for e in feeds() if e.delivery == "api"}
    landed = {
        f"raw_{e.name}": _task(env, "landed", e.name, [f"raw_ingest_{e.name}"] if e.delivery == "api" else []) | wait
        for e in feeds()
    }
    bronze = {f"bronze_{e.name}": _task(env, "bronze", e.name, [f"raw_{e.name}"]) for e in feeds()}
    silver = {f"silver_{e.name}": _task(env, "silver", e.name, [f"bronze_{e.name}"]) for e in feeds()}
    makers = {table.name: f"silver_{feed.name}" for feed in feeds() for table in feed.tables}
    makers |= {f"gold.{table.name}": f"gold_{table.name}" for table in gold_tables()}
    gold = {
        f"gold_{t.name}": _task(env, "gold", t.name, [makers[source] for source in t.sources]) for t in gold_tables()
    }
    last = {
        "gold_publish": _published(env, _DATE, after=list(gold)),
        "complete": {
            "depends_on": [{"task_key": key} for key in sorted([*gold, "gold_publish"])],
            "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"},
        },
    }
    return [{"task_key": key, **task} for key, task in (ingested | landed | bronze | silver | gold | last).items()]


def _published(env: Environment, date: str, after: list[str]) -> dict[str, Any]:
    task = _submitted(env, "publish", ["--date", date, "--run-id", _RUN], after)
    return {**task, "run_if": "ALL_DONE"} if after else task


def _task(env: Environment, script: str, subject: str, after: list[str]) -> dict[str, Any]:
    return _submitted(env, script, [*for_day(script, subject, _DATE), "--run-id", _RUN], after)


def _submitted(env: Environment, script: str, parameters: list[str], after: list[str]) -> dict[str, Any]:
    return {
        "depends_on": [{"task_key": key} for key in sorted(set(after))],
        "spark_python_task": {**python_task(env, RELEASE, script, parameters), "source": "WORKSPACE"},
        "timeout_seconds": env.run_timeout_minutes * 60,
        "max_retries": env.retries.count,
        "min_retry_interval_millis": env.retries.delay_seconds * 1000,
        "retry_on_timeout": True,
    }


def _quartz(schedule: Schedule) -> str:
    """Convert a cron of five fields to Quartz. Raises: ValueError for weekdays, which Quartz numbers otherwise."""
    *rest, weekday = schedule.cron.split()
    if weekday != "*":
        raise ValueError(f"cron {schedule.cron!r}: a schedule by days of the week has no rule here; write {JOB} one")
    return f"0 {' '.join(rest)} ?"
