"""What `./retailflow bundle` writes below resources/: the day as a job, orders as a Lakeflow pipeline, a dashboard.

The job is for a platform without Airflow. It has the tasks, scripts and arrows of the DAG `retailflow_daily`, from the
same contracts and environment files. A Databricks job has no sensor for ADLS: `landed.py` stands in, which fails until
`_SUCCESS` is there and is retried.

Each resource is one file. What differs between the environments is a variable, with its values in `targets.yml`. A
budget policy, which an environment may lack, is there too, for each resource.
"""

import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from retailflow.compute import Serverless, submit_fields
from retailflow.contracts import entities, gold_tables
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
WAIT_MINUTES = 30  # between two looks at RAW: each starts compute, where Airflow's sensor reads one blob's properties
_DAY = "ingestion_date"
_DATE = f"{{{{job.parameters.{_DAY}}}}}"
_YESTERDAY = "before {{job.trigger.time.iso_date}}"  # a reference cannot count; the scripts can
_RUN = "{{task.run_id}}"
_CLUSTER = "shared"
_JOBS = {"service_principal_name": "${var.jobs_principal}"}  # the jobs' identity, whoever deploys or starts
_HEAD = """\
# `./retailflow bundle` writes this file from the contracts and include/retailflow/environments/: change those.
#
# A Databricks job has no sensor for a file in ADLS. In its place raw_<entity> fails until the day's `_SUCCESS` is
# there, and is retried every {wait} minutes for {hours} hours. A file arrival trigger would start it all too early.
# `ingestion_date` takes another day, such as 2026-01-15. Airflow alone has: late batches, replays, upkeep, deadlines.
# A run's status is that of its last task. `complete` is one that is red when any other is; it needs no compute.
# {publish} shows readers what is built while the day still waits for a feed.
# {govern} is run by each release before other jobs: it makes the masks of BRONZE, SILVER and quarantine.
# {smoke} is what a deployment starts to see that the release runs. It writes nothing.
"""
_PIPELINE_HEAD = """\
# `./retailflow bundle` writes this file from include/retailflow/environments/: change those.
#
# Orders from RAW to SILVER, declared (docs/LAKEFLOW.md). Nothing starts it but you: it has no clock, and the tables
# `orders_lakeflow` that it fills are read by nothing here.
"""
_DASHBOARD_HEAD = (
    "# `./retailflow bundle` writes this file. The dashboard itself comes from the metrics (docs/BI.md).\n"
)
_TARGETS_HEAD = "# `./retailflow bundle` writes this file from include/retailflow/environments/: change those.\n"
# What may differ between environments, and where an environment has it. None: it has none.
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
    """The files that are written from here, and what they must hold.

    Raises: ValueError where the environments differ in something that no variable holds.
    """
    environments = [load_environment(name) for name in TARGETS]
    written, *others = [_resources(symbolic(env)) for env in environments]
    for env, other in zip(environments[1:], others, strict=True):
        if other != written:
            raise ValueError(
                f"The environment files {TARGETS[0]}.yaml and {env.name}.yaml differ in something that the bundle has "
                f"once for all targets: {_first_difference(written, other)}. Give both the same value, or add a "
                "variable to retailflow_local/bundle.py."
            )
    values = {env.name: {"variables": _values(env), **_budget_policy(env)} for env in environments}
    texts = {**written, "targets": _TARGETS_HEAD + _text({"targets": values})}
    return {root / "resources" / f"{name}.yml": text for name, text in texts.items()}


def _values(env: Environment) -> dict[str, Any]:
    return {name: value for name, of in _VARIABLES.items() if (value := of(env)) is not None}


def _budget_policy(env: Environment) -> dict[str, Any]:
    """What a target adds to its resources. Each environment has a policy of its own, or none yet."""
    if not (policy := getattr(env.compute, "budget_policy_id", None)):
        return {}
    jobs = (JOB, PUBLISH_JOB, GOVERN_JOB, SMOKE_JOB)
    added = {"jobs": {name: {"budget_policy_id": policy} for name in jobs}}
    return {"resources": added | {"pipelines": {PIPELINE: {"budget_policy_id": policy}}}}


def _resources(env: Environment) -> dict[str, str]:
    """The text of each file of resources by its name."""
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
    """The environment with references to the bundle's variables in the place of what may differ."""
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
    """Quotes what YAML 1.2, which the Databricks CLI reads, takes for a number and YAML 1.1 does not."""


_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+")


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "'" if _NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)
_Dumper.ignore_aliases = lambda self, data: True


def _text(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)


def pipeline(env: Environment) -> dict[str, Any]:
    """Every key is one of databricks-bundles' `Pipeline`. It is serverless, whatever compute the jobs have."""
    serverless = env.compute if isinstance(env.compute, Serverless) else Serverless(profile="serverless")
    made = {
        "name": "RetailFlow_Orders_Lakeflow",
        "run_as": _JOBS,
        "catalog": env.catalog,
        "schema": "bronze",  # of names without one, of which it has none
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
    """Every key is one of databricks-bundles' `Dashboard`. Who looks at it reads by their own rights."""
    return {
        "display_name": f"RetailFlow sales ({env.name})",
        "file_path": "../include/bi/databricks/sales.lvdash.json",
        "warehouse_id": env.readers_warehouse_id,
        "dataset_catalog": env.catalog,
        "embed_credentials": False,
        "permissions": [{"level": "CAN_READ", "group_name": f"retailflow_{env.name}_analytics"}],
    }


def job(env: Environment) -> dict[str, Any]:
    """Every key is one of databricks-bundles' `Job`."""
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
    """The publication by itself, at the time that GOLD promises first: the main job may still wait for a feed."""
    run_fields, task_fields = _compute(env)
    promised = min(contract.available_by for contract in gold_tables())
    return {
        "name": "RetailFlow_Publish",
        "description": "Shows readers what is built of GOLD while the day waits for a late feed.",
        "run_as": _JOBS,
        "schedule": _clock(f"0 {promised.minute} {promised.hour} * * ?"),
        "max_concurrent_runs": 1,
        "email_notifications": {"on_failure": env.alert_addresses, "no_alert_for_skipped_runs": True},
        "tags": env.tags,
        **run_fields,
        "tasks": [{"task_key": "publish", **_published(env, _YESTERDAY, after=[]), **task_fields}],
    }


def govern_job(env: Environment) -> dict[str, Any]:
    """The masks. Each release runs it as its deployer: the jobs have no right to change policies."""
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
    """What a deployment starts: the release's code meets compute, catalog, RAW and secrets, and writes nothing."""
    run_fields, task_fields = _compute(env)
    task = {
        "task_key": "smoke",
        "spark_python_task": {**python_task(env, RELEASE, "smoke", []), "source": "WORKSPACE"},
        "timeout_seconds": 30 * 60,
    }
    return {
        "name": "RetailFlow_Smoke",
        "description": "Sees that a release runs. Writes nothing.",
        "run_as": _JOBS,
        "max_concurrent_runs": 1,
        "tags": env.tags,
        **run_fields,
        "tasks": [{**task, **task_fields}],
    }


def _clock(quartz: str) -> dict[str, str]:
    return {"quartz_cron_expression": quartz, "timezone_id": "UTC", "pause_status": "${var.clock}"}


def _compute(env: Environment) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a job, and of each of its tasks, that say where it runs."""
    run_fields, task_fields = submit_fields(env.compute, RELEASE, env.tags)
    if cluster := task_fields.pop("new_cluster", None):
        run_fields["job_clusters"] = [{"job_cluster_key": _CLUSTER, "new_cluster": cluster}]
        task_fields["job_cluster_key"] = _CLUSTER
    return run_fields, task_fields


def _tasks(env: Environment) -> list[dict[str, Any]]:
    """In the order of the layers, with the arrows of dags/retailflow_daily.py."""
    wait = {
        "max_retries": env.sensor.timeout_hours * 60 // WAIT_MINUTES,
        "min_retry_interval_millis": WAIT_MINUTES * 60_000,
    }
    ingested = {f"raw_ingest_{e.name}": _task(env, "ingest", e.name, []) for e in entities() if e.delivery == "api"}
    landed = {
        f"raw_{e.name}": _task(env, "landed", e.name, [f"raw_ingest_{e.name}"] if e.delivery == "api" else []) | wait
        for e in entities()
    }
    bronze = {f"bronze_{e.name}": _task(env, "bronze", e.name, [f"raw_{e.name}"]) for e in entities()}
    silver = {f"silver_{e.name}": _task(env, "silver", e.name, [f"bronze_{e.name}"]) for e in entities()}
    makers = {table.name: f"silver_{entity.name}" for entity in entities() for table in entity.tables}
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
    """The cron of five fields as Quartz has it. Raises: ValueError for days of the week, which it counts otherwise."""
    *rest, weekday = schedule.cron.split()
    if weekday != "*":
        raise ValueError(f"cron {schedule.cron!r}: a schedule by days of the week has no rule here; write {JOB} one")
    return f"0 {' '.join(rest)} ?"
