"""docs/DAGS.md: one table of all DAGs, from the DAGs themselves."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from retailflow_local.console import console
from retailflow_local.workspace import REPOSITORY

if TYPE_CHECKING:
    from airflow.sdk import DAG

PAGE = Path("docs/DAGS.md")
_USES = re.compile(r"\*\*Reads\*\* (?P<reads>.+?)\. \*\*Writes\*\* (?P<writes>.+?)\.$", re.DOTALL)
_HEAD = """# The DAGs

Each DAG with its schedule (UTC), what it reads and writes, who answers for it, and what its failure means. Written by
`./retailflow dags` from the DAGs of prod; the page of a DAG in Airflow says more.

| impact | while it does not work |
|---|---|
| tier 1 | readers see old numbers, or nobody is told of a failure |
| tier 2 | a person or a promise of days waits |
| tier 3 | nobody waits; cost or speed suffers |

| DAG | schedule | reads | writes | owner | impact | on-call looks |
|---|---|---|---|---|---|---|
"""


def dags() -> None:
    """Write docs/DAGS.md anew, after a change of a DAG."""
    with TemporaryDirectory(prefix="retailflow-dags-") as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "RETAILFLOW_ENV": "prod",
            "RETAILFLOW_RELEASE": "0.1.0",
        }
        from airflow.dag_processing.dagbag import DagBag

        found = DagBag(REPOSITORY / "dags").dags
    (REPOSITORY / PAGE).write_text(page(found), "utf-8")
    console.print(f"Wrote {PAGE}.")


def page(found: Mapping[str, "DAG"]) -> str:
    """Return the text of the page. Raises: ValueError for a DAG that does not say what it reads and writes."""
    return _HEAD + "".join(_row(found[name]) for name in sorted(found))


def _row(dag: "DAG") -> str:
    uses = _USES.search((dag.doc_md or "").strip())
    if not uses:
        raise ValueError(f"{dag.dag_id}: its text does not end with what it **Reads** and **Writes**")
    tags = dict(tag.split(":", 1) for tag in dag.tags if tag.startswith(("impact:", "triage:")))
    owners = {task.owner for task in dag.tasks}
    owner = "data-engineering" + (", and each feed's and table's own team" if len(owners) > 1 else "")
    cells = (
        f"`{dag.dag_id}`",
        _schedule(dag),
        *(" ".join(uses[part].split()) for part in ("reads", "writes")),
        owner,
        *(tags[name].replace("_", " ") for name in ("impact", "triage")),
    )
    return f"| {' | '.join(cells)} |\n"


def _schedule(dag: "DAG") -> str:
    expression = getattr(dag.timetable, "expression", None)
    if expression:
        return f"`{expression}`"
    name = getattr(dag.schedule, "name", None)
    return f"after each whole day (asset `{name}`)" if name else "when it is triggered"
