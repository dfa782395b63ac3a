"""Compute profiles: where a Spark task runs, and the runs/submit fields that say so.

Every key is a field of `databricks.sdk.service.jobs` 0.162.0. runs/submit has no `tags` field: clusters get the tags as
`custom_tags`; serverless usage gets the tags of its budget policy.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from retailflow.release import Release
from retailflow.strict import Strict

ENVIRONMENT_KEY = "default"
# Serverless compute sets both by default.
_SPARK_CONF = {"spark.sql.adaptive.enabled": "true", "spark.databricks.delta.optimizeWrite.enabled": "true"}


class Serverless(Strict):
    """Databricks starts and scales the compute. Environment version 5 is the client of Databricks Runtime 18."""

    profile: Literal["serverless"]
    environment_version: str = Field(default="5", pattern=r"^[1-9][0-9]*$")
    # STANDARD starts some minutes later and costs less. Upkeep and chores always use it: Environment.unhurried.
    performance_target: Literal["STANDARD", "PERFORMANCE_OPTIMIZED"] = "STANDARD"
    budget_policy_id: str | None = Field(default=None, min_length=1)


class _Cluster(Strict):
    runtime: str = Field(default="18.x-scala2.13", pattern=r"^[0-9]+(\.[0-9]+)?\.x-[a-z0-9.\-]+$")
    workers: int = Field(ge=1)
    # Without a policy, the service principal of the jobs needs the right to create any cluster.
    policy_id: str | None = Field(default=None, min_length=1)


class Pool(_Cluster):
    """Each run creates a cluster from an instance pool, which keeps idle machines warm."""

    profile: Literal["pool"]
    instance_pool_id: str = Field(min_length=1)


class NewCluster(_Cluster):
    """Each run creates a cluster on machines that start cold: each task waits several minutes for them."""

    profile: Literal["cluster"]
    node_type_id: str = Field(min_length=1)


Compute = Annotated[Serverless | Pool | NewCluster, Field(discriminator="profile")]


def submit_fields(compute: Compute, release: Release, tags: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the compute part of a runs/submit payload: the fields of the run, and the fields of its task.

    The release's locked requirements install the code, so a run installs the tested versions and nothing newer.
    """
    if isinstance(compute, Serverless):
        # Databricks caches an environment by the text of its dependencies, so this text must name the release.
        spec = {
            "environment_version": compute.environment_version,
            "dependencies": [f"-r {release.requirements}"],
        }
        run: dict[str, Any] = {
            "environments": [{"environment_key": ENVIRONMENT_KEY, "spec": spec}],
            "performance_target": compute.performance_target,
        }
        if compute.budget_policy_id:
            run["budget_policy_id"] = compute.budget_policy_id
        # Otherwise Databricks itself retries a failed task, in addition to Airflow's tries or the job's `max_retries`.
        return run, {"environment_key": ENVIRONMENT_KEY, "disable_auto_optimization": True}

    cluster: dict[str, Any] = {
        "spark_version": compute.runtime,
        "num_workers": compute.workers,
        "data_security_mode": "USER_ISOLATION",  # Unity Catalog's shared access mode, which uses Spark Connect
        "custom_tags": tags,
        "spark_conf": dict(_SPARK_CONF),
    }
    if isinstance(compute, Pool):
        cluster["instance_pool_id"] = compute.instance_pool_id
    else:
        cluster["node_type_id"] = compute.node_type_id
    if compute.policy_id:
        cluster["policy_id"] = compute.policy_id
    return {}, {"new_cluster": cluster, "libraries": [{"requirements": release.requirements}]}
