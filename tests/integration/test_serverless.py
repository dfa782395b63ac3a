"""The local workspace refuses what serverless compute refuses: in a test's session, a job's process and a worker."""

import shutil
from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import JobEnvironment, SparkPythonTask, SubmitTask
from pipeline import put
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import SparkSession

from retailflow.contracts import feed_contract
from retailflow_local.serverless import SETTINGS
from retailflow_local.spark_client import session
from retailflow_local.state import workspace_files
from retailflow_local.workspace import REPOSITORY
from retailflow_spark.bronze.load import read_day
from retailflow_spark.delta import rows
from retailflow_spark.delta.rows import fetched
from retailflow_spark.silver.profile import profile_day
from retailflow_spark.silver.validate import validate

DAY = date(2026, 1, 15)
KEY = "spark.databricks.delta.lastCommitVersionInSession"
Act = Callable[[SparkSession], object]
OF_SETTINGS: dict[str, Act] = {
    "get": lambda spark: spark.conf.get(KEY),
    "get with a default": lambda spark: spark.conf.get(KEY, "none"),
    "get with the default None": lambda spark: spark.conf.get(KEY, None),
    "get of what is set": lambda spark: spark.conf.get("spark.sql.adaptive.enabled"),
    "get all": lambda spark: spark.conf.getAll,
    "set": lambda spark: spark.conf.set(KEY, "1"),
    "set of what only the client reads": lambda spark: spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ"),
    "unset": lambda spark: spark.conf.unset(KEY),
    "may it be set": lambda spark: spark.conf.isModifiable(KEY),
    "SET key = value": lambda spark: spark.sql(f"SET {KEY} = 1"),
    "SET key after a comment": lambda spark: spark.sql(f"/* why */ -- so\n set `{KEY}`"),
    "SET with a frame": lambda spark: spark.sql(f"SET {KEY} = 1 -- {{t}}", t=spark.range(1)),
    "SET": lambda spark: spark.sql("SET"),
    "RESET key": lambda spark: spark.sql(f"RESET {KEY}"),
}
UNSUPPORTED: dict[str, tuple[str, Act]] = {
    "cache": ("PERSIST TABLE", lambda spark: spark.range(1).cache()),
    "persist": ("PERSIST TABLE", lambda spark: spark.range(1).persist()),
    "unpersist": ("UNPERSIST TABLE", lambda spark: spark.range(1).unpersist()),
    "checkpoint": ("CHECKPOINT", lambda spark: spark.range(1).checkpoint()),
    "cacheTable": ("CACHE TABLE", lambda spark: spark.catalog.cacheTable("t")),
    "uncacheTable": ("UNCACHE TABLE", lambda spark: spark.catalog.uncacheTable("t")),
    "clearCache": ("CLEAR CACHE", lambda spark: spark.catalog.clearCache()),
    "refreshTable": ("REFRESH TABLE", lambda spark: spark.catalog.refreshTable("t")),
    "CACHE TABLE": ("CACHE TABLE", lambda spark: spark.sql("CACHE LAZY TABLE t AS SELECT 1")),
    "UNCACHE TABLE": ("UNCACHE TABLE", lambda spark: spark.sql("uncache table if exists t")),
    "CLEAR CACHE": ("CLEAR CACHE", lambda spark: spark.sql("CLEAR CACHE")),
    "REFRESH TABLE": ("REFRESH TABLE", lambda spark: spark.sql("REFRESH TABLE t")),
    "createGlobalTempView": ("GLOBAL TEMPORARY VIEW", lambda spark: spark.range(1).createGlobalTempView("g")),
    "CREATE GLOBAL TEMP VIEW": (
        "GLOBAL TEMPORARY VIEW",
        lambda spark: spark.sql("CREATE OR REPLACE GLOBAL TEMP VIEW g AS SELECT 1"),
    ),
}


@pytest.mark.parametrize("act", OF_SETTINGS.values(), ids=OF_SETTINGS)
def test_a_session_neither_reads_nor_sets_what_is_not_on_the_list_of_databricks(spark, act):
    with pytest.raises(
        AnalysisException, match=r"^\[CONFIG_NOT_AVAILABLE\] .* is not available\. SQLSTATE: 42K0I"
    ) as it:
        act(spark)
    assert (it.value.getCondition(), it.value.getSqlState()) == ("CONFIG_NOT_AVAILABLE", "42K0I")


def test_a_session_reads_and_sets_what_is_on_the_list(workspace):
    values = dict.fromkeys(SETTINGS, "1") | {
        "spark.sql.ansi.enabled": "false",
        "spark.sql.legacy.timeParserPolicy": "CORRECTED",
        "spark.sql.session.timeZone": "Europe/Berlin",
    }
    with session(workspace.spark_remote) as spark:
        for key, value in values.items():
            spark.conf.set(key, value)
            assert spark.conf.get(key) == value
            spark.conf.unset(key)
        spark.sql("SET TIME ZONE 'Asia/Tokyo'")
        spark.sql("SET spark.sql.ansi.enabled = false")
        assert spark.sql("SELECT current_timezone(), CAST('x' AS INT)").first() == ("Asia/Tokyo", None)


@pytest.mark.parametrize(("name", "act"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_there_are_no_caches_and_no_views_of_all_sessions(spark, name, act):
    sentence = rf"^\[NOT_SUPPORTED_WITH_SERVERLESS\] {name} is not supported on serverless compute\. SQLSTATE: 0A000"
    with pytest.raises(AnalysisException, match=sentence):
        act(spark)


@pytest.mark.parametrize("act", [lambda spark: spark.sparkContext, lambda spark: spark._jvm, lambda s: s.range(1).rdd])
def test_there_is_no_spark_context_and_no_rdd(spark, act):
    with pytest.raises(PySparkException, match=r"JVM_ATTRIBUTE_NOT_SUPPORTED|NOT_IMPLEMENTED"):
        act(spark)


@pytest.mark.parametrize(
    ("script", "said"), [("reads_a_setting.py", "CONFIG_NOT_AVAILABLE"), ("opens_a_session.py", "PERSIST TABLE")]
)
def test_a_job_has_the_rules_in_every_session_that_it_opens(workspace, script, said):
    place = workspace_files(workspace.root) / "refused_jobs" / script
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "tests" / "support" / "refused_jobs" / script, place)
    client = WorkspaceClient(host=workspace.jobs_url, token=workspace.jobs_token)
    task = SparkPythonTask(f"/Workspace/retailflow/refused_jobs/{script}")
    only = SubmitTask("only", spark_python_task=task, environment_key="default", disable_auto_optimization=True)
    environment = JobEnvironment("default", Environment(environment_version="5"))
    run = client.jobs.submit(tasks=[only], environments=[environment]).result()
    assert said in client.jobs.get_run_output(run.tasks[0].run_id).error


def taking(megabytes: int):
    def rows(batches):
        held = bytearray(megabytes * 2**20)
        yield from batches
        del held

    return rows


def test_a_python_worker_has_1_gb(spark):
    assert spark.range(3).mapInArrow(taking(600), "id long").count() == 3
    with pytest.raises(PySparkException, match="MemoryError"):
        spark.range(3).mapInArrow(taking(1100), "id long").count()


def test_rows_of_a_client_have_at_most_128_mb(spark):
    def rows(megabytes: int) -> pa.Table:
        return pa.table({"text": ["x" * 2**20] * megabytes})

    assert spark.createDataFrame(rows(100)).count() == 100
    with pytest.raises(PySparkException, match=r"(?i)local.?relation.*limit"):
        spark.createDataFrame(rows(129)).count()


def test_rows_of_many_bytes_do_not_go_on_as_literals_of_a_query(spark, monkeypatch):
    monkeypatch.setattr(rows, "MOST_LITERAL_BYTES", 10_000)
    texts = spark.range(200).selectExpr("repeat('x', 100) AS text")
    assert fetched(texts, 1_000) is None
    assert fetched(texts.limit(50), 1_000).num_rows == 50


def test_a_small_day_that_unpacks_to_many_bytes_is_decoded_by_workers(spark, raw, monkeypatch):
    put(raw, "clickstream", DAY, {"event_id": "E1"})

    def plan() -> str:
        records, _ = read_day(spark, raw, feed_contract("clickstream"), DAY, raw.manifests("clickstream", DAY))
        return records._explain_string()

    assert "MapInArrow" not in plan()
    monkeypatch.setattr(rows, "MOST_LITERAL_BYTES", 100)
    assert "MapInArrow" in plan()


def test_a_day_of_few_records_and_many_bytes_is_validated_by_a_query(spark, raw, monkeypatch):
    put(raw, "payments", DAY, {"payment_id": "P1"})
    contract = feed_contract("payments")
    records, _ = read_day(spark, raw, contract, DAY, raw.manifests("payments", DAY))
    validated = validate(records, contract)
    assert profile_day(validated, contract, 1).rows.num_rows == 1
    monkeypatch.setattr(rows, "MOST_LITERAL_BYTES", 100)
    assert profile_day(validated, contract, 1).rows is None
