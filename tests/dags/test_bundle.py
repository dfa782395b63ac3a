"""The Databricks job has the tasks and dependencies of the DAG, and the parameters that its scripts accept."""

import pytest
import yaml

from retailflow.compute import NewCluster, Pool
from retailflow.contracts import feeds, gold_tables
from retailflow.environments import load_environment
from retailflow.release import installed
from retailflow_airflow.submit import payload
from retailflow_delivery import bundle
from retailflow_delivery.bundle import RELEASE, TARGETS, govern_job, job, outputs, pipeline, publish_job, smoke_job
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.job.entry import arguments


def tasks(environment: str = "dev") -> dict[str, dict]:
    return {task["task_key"]: task for task in job(load_environment(environment))["tasks"]}


def test_the_task_graph_is_that_of_the_dag(daily):
    of_the_dag = {
        task.task_id.replace(".", "_"): {upstream.replace(".", "_") for upstream in task.upstream_task_ids}
        for task in daily.tasks
    }
    assert {key: {on["task_key"] for on in task["depends_on"]} for key, task in tasks().items()} == of_the_dag


@pytest.mark.parametrize("target", TARGETS)
def test_each_task_runs_the_script_that_the_dag_submits_with_the_same_parameters(dags_in, target):
    found, tasks_of_dag = tasks(target), dags_in(target)["retailflow_daily"].tasks
    submitting = [task for task in tasks_of_dag if task.task_type == "DatabricksSubmitRunOperator"]
    assert len(submitting) > len(gold_tables())
    for task in submitting:
        submitted = task.json["tasks"][0]["spark_python_task"]
        given = found[task.task_id.replace(".", "_")]["spark_python_task"]
        script, release = submitted["python_file"], submitted["parameters"][3]
        assert given["python_file"] == script.replace(release, "${var.release}")
        options = [given["parameters"][0::2], submitted["parameters"][0::2]]
        assert options[0][:3] == options[1][:3], task.task_id


def test_the_job_looks_for_the_success_file_as_long_as_the_sensor_of_the_dag(daily):
    sensors = [task for task in daily.tasks if task.task_type == "DeliverySensor"]
    found = tasks("local")
    assert len(sensors) == len(feeds())
    for sensor in sensors:
        task = found[sensor.task_id.replace(".", "_")]
        assert task["spark_python_task"]["python_file"].endswith("/landed.py")
        assert task["max_retries"] * task["min_retry_interval_millis"] == sensor.timeout * 1000
        assert task["max_retries"] == 40, "each look starts compute"


def test_the_scripts_accept_what_databricks_puts_in_for_the_references():
    (parameter,) = job(load_environment("dev"))["parameters"]
    date = parameter["default"].replace("{{job.trigger.time.iso_date}}", "2026-01-16")
    given = tasks()["silver_orders"]["spark_python_task"]["parameters"]
    values = {"{{job.parameters.ingestion_date}}": date, "{{task.run_id}}": "4711", "${var.release}": installed()}
    argv = [values.get(text, text) for text in given]
    run = arguments("silver", "feed", ["orders"], argv)
    assert (run.environment.name, str(run.date), run.databricks_run_id) == ("dev", "2026-01-15", "4711")


def test_it_runs_at_two_one_at_a_time_and_mails_its_failures():
    made = job(load_environment("prod"))
    assert (made["name"], made["max_concurrent_runs"]) == ("RetailFlow_Main_Pipeline", 1)
    assert (made["schedule"]["quartz_cron_expression"], made["schedule"]["timezone_id"]) == ("0 0 2 * * ?", "UTC")
    assert made["email_notifications"]["on_failure"] == ["data-engineering@retailflow.example"]


def test_the_job_publishes_despite_failures_and_does_not_succeed_then():
    """Databricks derives the result of a run from its last tasks."""
    publish, complete = tasks("prod")["gold_publish"], tasks("prod")["complete"]
    gold = {f"gold_{table.name}" for table in gold_tables()}
    assert ({on["task_key"] for on in publish["depends_on"]}, publish["run_if"]) == (gold, "ALL_DONE")
    assert {on["task_key"] for on in complete["depends_on"]} == gold | {"gold_publish"}
    assert "run_if" not in complete and "spark_python_task" not in complete


def test_readers_do_not_wait_for_a_late_feed_longer_than_gold_is_promised():
    made = publish_job(load_environment("prod"))
    (task,) = made["tasks"]
    assert task["spark_python_task"]["python_file"].endswith("/publish.py")
    assert made["schedule"]["quartz_cron_expression"] == "0 30 4 * * ?"


def test_the_masks_are_made_by_the_identity_that_deploys_and_not_by_the_jobs():
    """Without `run_as` a job runs as its deployer. An identity that may change policies writes no table."""
    made = govern_job(load_environment("prod"))
    (task,) = made["tasks"]
    assert task["spark_python_task"]["python_file"].endswith("/govern.py")
    assert task["spark_python_task"]["parameters"] == ["--env", "prod", "--release", "${var.release}"]
    assert not {"run_as", "schedule"} & made.keys()


def test_clusters_are_one_for_the_whole_job_and_the_same_that_airflow_asks_for():
    two = NewCluster(profile="cluster", node_type_id="Standard_D4ds_v5", workers=2)
    env = load_environment("prod").model_copy(update={"compute": two})
    made = job(env)
    (cluster,) = made["job_clusters"]
    assert cluster["new_cluster"] == payload(env, "silver", "orders")["tasks"][0]["new_cluster"]
    assert cluster["new_cluster"]["num_workers"] == 2
    assert cluster["new_cluster"]["spark_conf"] == {
        "spark.sql.adaptive.enabled": "true",
        "spark.databricks.delta.optimizeWrite.enabled": "true",
    }
    computed = [task for task in made["tasks"] if "spark_python_task" in task]
    assert {task["job_cluster_key"] for task in computed} == {cluster["job_cluster_key"]}
    assert not any("environment_key" in task or "new_cluster" in task for task in made["tasks"])


@pytest.mark.parametrize("target", TARGETS)
def test_databricks_repeats_no_task_by_itself(target):
    """A landed task has 40 retries; auto-optimization would double the work of each failure."""
    env = load_environment(target)
    computed = [task for made in (job, publish_job, govern_job, smoke_job) for task in made(env)["tasks"]]
    without = {task["task_key"] for task in computed if not task.get("disable_auto_optimization")}
    assert without == {"complete"}  # which needs no compute


def test_a_schedule_by_days_of_the_week_is_refused_rather_than_mistaken():
    env = load_environment("prod")
    weekly = env.model_copy(update={"schedule": env.schedule.model_copy(update={"cron": "0 2 * * 1"})})
    with pytest.raises(ValueError, match="days of the week"):
        job(weekly)


@pytest.mark.parametrize("target", TARGETS)
def test_the_pipeline_runs_files_that_are_there_with_the_code_and_raw_of_its_environment(target):
    env = load_environment(target)
    made = pipeline(env)
    assert made["catalog"] == f"retailflow_{target}"
    assert made["environment"]["dependencies"] == [f"-r {RELEASE.requirements}"]
    assert made["configuration"]["retailflow.raw_root"] == env.raw.root
    assert [library["file"]["path"] for library in made["libraries"]] == [
        "/Workspace/retailflow/releases/${var.release}/spark_jobs/pipelines/orders.py",
        "/Workspace/retailflow/releases/${var.release}/spark_jobs/pipelines/orders_databricks.py",
    ]


def test_everything_that_writes_tables_runs_as_the_jobs_whoever_deploys_it():
    env = load_environment("prod")
    jobs = {"service_principal_name": "${var.jobs_principal}"}
    for made in (job(env), publish_job(env), smoke_job(env), pipeline(env)):
        assert made["run_as"] == jobs, made["name"]


def test_environments_that_differ_in_a_shared_setting_of_the_bundle_are_refused(monkeypatch):
    def load(name):
        env = load_environment(name)
        return env.model_copy(update={"run_timeout_minutes": 60}) if name == "prod" else env

    monkeypatch.setattr(bundle, "load_environment", load)
    with pytest.raises(ValueError, match=r"dev\.yaml and prod\.yaml differ .* 'timeout_seconds: 3600'"):
        outputs(REPOSITORY)


def with_compute(monkeypatch, of) -> dict[str, dict]:
    """Return the bundle's files by name, if each environment has the compute that `of` gives it."""

    def load(name):
        env = load_environment(name)
        return env.model_copy(update={"compute": of(env)})

    monkeypatch.setattr(bundle, "load_environment", load)
    return {path.stem: yaml.safe_load(text) for path, text in outputs(REPOSITORY).items()}


def test_each_target_has_the_budget_policy_of_its_environment(monkeypatch):
    """Terraform makes one for each environment. The guide says to write its id into the environment file."""
    ids = {"dev": "policy-of-dev", "prod": "policy-of-prod"}
    files = with_compute(
        monkeypatch, lambda env: env.compute.model_copy(update={"budget_policy_id": ids.get(env.name)})
    )
    resources = [files[name]["resources"] for name in ("retailflow_main_pipeline", "retailflow_orders_lakeflow")]
    for target, policy in ids.items():
        added = files["targets"]["targets"][target]["resources"]
        assert [added["jobs"].keys(), added["pipelines"].keys()] == [
            resources[0]["jobs"].keys(),
            resources[1]["pipelines"].keys(),
        ]
        given = [resource for kind in added.values() for resource in kind.values()]
        assert all(resource == {"budget_policy_id": policy} for resource in given)
    assert "resources" not in files["targets"]["targets"]["stg"]


def test_each_target_has_the_pool_of_its_environment(monkeypatch):
    def of(env):
        return Pool(profile="pool", instance_pool_id=f"{env.name}-pool", policy_id=f"{env.name}-policy", workers=2)

    files = with_compute(monkeypatch, of)
    (cluster,) = files["retailflow_main_pipeline"]["resources"]["jobs"]["retailflow_main_pipeline"]["job_clusters"]
    assert cluster["new_cluster"]["instance_pool_id"] == "${var.instance_pool_id}"
    assert cluster["new_cluster"]["policy_id"] == "${var.cluster_policy_id}"
    declared = yaml.safe_load((REPOSITORY / "databricks.yml").read_text())["variables"]
    for target in TARGETS:
        variables = files["targets"]["targets"][target]["variables"]
        assert variables.keys() <= declared.keys()
        assert variables["instance_pool_id"] == f"{target}-pool"
        assert variables["cluster_policy_id"] == f"{target}-policy"


def test_a_text_that_yaml_1_2_takes_for_a_number_is_quoted():
    assert bundle._text({"warehouse_id": "1234567890123e45", "name": "orders"}) == (
        "warehouse_id: '1234567890123e45'\nname: orders\n"
    )


def test_the_files_are_what_the_contracts_say_now():
    for path, text in outputs(REPOSITORY).items():
        assert path.read_text() == text, f"{path.name}: run ./retailflow bundle"
