from retailflow.compute import NewCluster, Pool, Serverless, submit_fields
from retailflow.release import Release

RELEASE = Release("0.1.0+gtest")
REQUIREMENTS = "/Workspace/retailflow/releases/0.1.0+gtest/requirements.txt"
TAGS = {"project": "retailflow"}


def test_serverless_names_its_environment_and_its_budget_policy():
    run, task = submit_fields(Serverless(profile="serverless", budget_policy_id="policy-1"), RELEASE, TAGS)
    assert run == {
        "environments": [
            {
                "environment_key": "default",
                "spec": {"environment_version": "5", "dependencies": [f"-r {REQUIREMENTS}"]},
            },
        ],
        "performance_target": "STANDARD",
        "budget_policy_id": "policy-1",
    }
    assert task == {"environment_key": "default", "disable_auto_optimization": True}


def test_a_pool_gives_a_tagged_cluster_on_runtime_18_lts():
    run, task = submit_fields(Pool(profile="pool", instance_pool_id="pool-1", workers=2), RELEASE, TAGS)
    assert run == {}
    assert task == {
        "new_cluster": {
            "spark_version": "18.x-scala2.13",
            "num_workers": 2,
            "data_security_mode": "USER_ISOLATION",
            "custom_tags": {"project": "retailflow"},
            "spark_conf": {
                "spark.sql.adaptive.enabled": "true",
                "spark.databricks.delta.optimizeWrite.enabled": "true",
            },
            "instance_pool_id": "pool-1",
        },
        "libraries": [{"requirements": REQUIREMENTS}],
    }


def test_a_cluster_names_the_policy_that_allows_it():
    compute = Pool(profile="pool", instance_pool_id="pool-1", policy_id="policy-1", workers=2)
    assert submit_fields(compute, RELEASE, TAGS)[1]["new_cluster"]["policy_id"] == "policy-1"


def test_a_cluster_names_its_machines_and_may_keep_an_older_runtime():
    compute = NewCluster(profile="cluster", node_type_id="Standard_D4ds_v5", workers=1, runtime="17.3.x-scala2.13")
    cluster = submit_fields(compute, RELEASE, TAGS)[1]["new_cluster"]
    assert (cluster["node_type_id"], cluster["spark_version"]) == ("Standard_D4ds_v5", "17.3.x-scala2.13")
