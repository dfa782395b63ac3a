"""Tests of the live tables, once for each day that is whole in GOLD.

**What it does.** A task for each file of `tests/data`: pytest, reading what readers read, by the SQL warehouse.

**Normal.** All green, within minutes after the day.

**Safe to clear.** Every task, at any time; they write nothing.

**Where to look.** The task's error says in words what does not hold; its log has the rows.

**Why beside the audits.** Audits look at what a run changed, before readers see it. These look at whole tables, across
layers, as readers see them.

**Reads** the views `gold.*`, and `ops.*`. **Writes** nothing.
"""

from airflow.sdk import DAG, task

from retailflow.environments import load_environment
from retailflow_airflow.data_tests import FOLDER, run_file
from retailflow_airflow.defaults import defaults
from retailflow_airflow.impact import Impact, Triage
from retailflow_airflow.wiring import GOLD_DAY

DOC = """The tests of `tests/data/{}`.

- **Reads** GOLD and `ops` by the SQL warehouse; **writes** nothing.
- **Safe to clear**: always.
- **Where to look**: the error says what does not hold; the log has the rows.
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
