"""Renders each dbt model as a task, with Cosmos: `marts.<model>` builds the model and runs its tests."""

import os
from typing import Any

from airflow.sdk import TaskGroup
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import InvocationMode, LoadMode, TestBehavior
from cosmos.profiles import DatabricksOauthProfileMapping

from retailflow.environments import Environment
from retailflow_airflow.checkout import ROOT

PROJECT = ROOT / "include" / "dbt" / "retailflow"
DOC = """Builds the model `{0}` of `include/dbt/retailflow`, and then runs its tests.

- **Reads** the views `gold.*`; **writes** `marts.{0}`, in one commit.
- **Safe to clear**: always, together with its downstream tasks.
- **Where to look**: the log is dbt's log; for a failed test it has a query that returns the rows. See docs/DBT.md.
"""


def marts(env: Environment) -> TaskGroup:
    """Return a task group with all models. `RETAILFLOW_DBT` names the dbt program, which has its own environment."""
    group = DbtTaskGroup(
        group_id="marts",
        project_config=ProjectConfig(PROJECT),
        profile_config=_profile(env),
        execution_config=ExecutionConfig(
            dbt_executable_path=os.environ.get("RETAILFLOW_DBT", "dbt"), invocation_mode=InvocationMode.SUBPROCESS
        ),
        render_config=RenderConfig(
            load_method=LoadMode.CUSTOM,  # reads the files; other methods run dbt, or need its output, to parse a DAG
            invocation_mode=InvocationMode.SUBPROCESS,
            test_behavior=TestBehavior.BUILD,
            normalize_task_id=lambda node: node.name,
            emit_datasets=False,
        ),
        operator_args={"append_env": True, "install_deps": False},
    )
    for task in group:
        task.doc_md = DOC.format(task.task_id.partition(".")[2])
    return group


def _profile(env: Environment) -> ProfileConfig:
    if env.name == "local":
        return ProfileConfig(
            profile_name="retailflow", target_name=env.name, profiles_yml_filepath=PROJECT / "profiles.yml"
        )
    place: dict[str, Any] = {
        "catalog": env.catalog,
        "schema": "marts",
        "http_path": f"/sql/1.0/warehouses/{env.warehouse_id}",
        "threads": 1,
    }
    mapping = DatabricksOauthProfileMapping(conn_id="databricks_default", profile_args=place)
    return ProfileConfig(profile_name="retailflow", target_name=env.name, profile_mapping=mapping)
