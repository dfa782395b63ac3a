"""Airflow reports on its tasks: lineage as OpenLineage events, metrics by StatsD. The hook replaces Databricks."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
from unittest.mock import patch
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.databricks.hooks.databricks import DatabricksHook as Hook
done = {"run_id": 1, "job_id": 1, "tasks": [], "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}}
answers = {"submit_run": 1, "get_job_id": 1, "get_run_page_url": "http://127.0.0.1/", "get_run": done}
for name, answer in answers.items():
    patch.object(Hook, name, lambda *_, answer=answer: answer).start()
chosen = ["gold.daily_revenue_mart", "silver.customers"]
dag = DagBag("dags").dags["retailflow_daily"].partial_subset(chosen, include_upstream=False)
assert dag.test(run_conf={"ingestion_date": "2026-01-15"}).state == "success"
"""


def test_each_spark_task_reports_which_tables_it_reads_and_writes_and_is_counted(tmp_path):
    log = tmp_path / "lineage.jsonl"
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    metrics = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    metrics.bind(("127.0.0.1", 0))
    own = {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(metrics.getsockname()[1]),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    for command in (["-m", "airflow", "db", "migrate"], ["-c", RUN]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=os.environ | own, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    inputs = {
        event["job"]["name"]: [[one["name"] for one in event[side]] for side in ("inputs", "outputs")]
        for event in events
        if event["eventType"] == "COMPLETE"
    }
    silver = ["spark_catalog.silver.customers_history", "spark_catalog.silver.customers"]
    assert inputs["retailflow_daily.silver.customers"] == [
        ["spark_catalog.bronze.customers"],
        [*silver, "spark_catalog.quarantine.customers"],
    ]
    assert inputs["retailflow_daily.gold.daily_revenue_mart"] == [
        ["spark_catalog.gold.fact_sales", "spark_catalog.gold.dim_product"],
        ["spark_catalog.gold.daily_revenue_mart"],
    ]

    metrics.setblocking(False)
    received = []
    with suppress(BlockingIOError):
        while True:
            received.append(metrics.recv(4096).decode())
    assert any("ti.start.retailflow_daily.gold__daily_revenue_mart" in one for one in received), received
