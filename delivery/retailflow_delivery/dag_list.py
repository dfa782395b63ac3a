"""Write docs/DAGS.md: one table of all DAGs, from the DAGs themselves."""

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

This page lists each DAG with its schedule (UTC), the data it reads and writes, its owner, and the impact of a failure.
`./retailflow dags` writes it from the DAGs of prod. The page of a DAG in Airflow has more detail.

| impact | while the DAG does not work |
|---|---|
| tier 1 | readers see old numbers, or failures are not reported |
| tier 2 | a person waits, or a deadline of several days is at risk |
| tier 3 | nobody waits; cost or speed suffers |

| DAG | schedule | reads | writes | owner | impact | on-call looks |
|---|---|---|---|---|---|---|
"""


def dags() -> None:
    """Rewrite docs/DAGS.md, after a change of a DAG."""
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
    """Return the text of the page. Raises: ValueError for a DAG whose text does not list its reads and writes."""
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
