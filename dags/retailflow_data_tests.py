"""Tests the live tables, once for each day that is complete in GOLD.

**What it does.** Each file of `tests/data` is a task. It runs pytest, which queries the published tables through the
SQL warehouse.

**Normal.** All green, within minutes after the day is complete.

**Safe to clear.** Every task, at any time; the tasks write nothing.

**Where to look.** The task's error names the tests that failed; its log shows the rows.

**Why not audits alone.** Audits check the changes of a run before readers see them. These tests check whole tables,
across layers, as readers see them.

**Reads** the views `gold.*`, and `ops.*`. **Writes** nothing.
"""

from airflow.sdk import DAG, task

from retailflow.environments import load_environment
from retailflow_airflow.data_tests import FOLDER, run_file
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.wiring import GOLD_DAY

DOC = """Runs the tests of `tests/data/{}`.

- **Reads** GOLD and `ops` through the SQL warehouse; **writes** nothing.
- **Safe to clear**: always.
- **Where to look**: the error names the tests that failed; the log shows the rows.
"""
env = load_environment()

with DAG(
    dag_id="retailflow_data_tests",
    description="tests/data against the live tables.",
    doc_md=__doc__,
    schedule=GOLD_DAY,
    **defaults(env, Impact.TIER_2, Triage.NEXT_WORKING_DAY),
):
    for file in sorted(path.name for path in FOLDER.glob("test_*.py")):
        name = file.removeprefix("test_").removesuffix(".py")
        task(run_file, task_id=name, doc_md=DOC.format(file))(file, str(FOLDER))
