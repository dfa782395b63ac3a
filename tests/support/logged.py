"""Write rows of `ops.runs` without running a job."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

from retailflow_spark.job import run_log
from retailflow_spark.job.run_log import RUNS


def log(tables, layer: str, name: str, day: date, **known: Any) -> None:
    """Append a run that succeeded just now; `known` overrides its columns."""
    run_log.create(tables)
    now = datetime.now(UTC)
    row = dict.fromkeys(RUNS.column_names) | {"layer": layer, "name": name, "ingestion_date": day}
    row |= {"databricks_run_id": str(uuid.uuid4()), "code_version": "0.1.0", "contract_version": "1.0.0"}
    row |= {"is_success": True, "started_at": now, "ended_at": now}
    tables.append_rows([row | known], RUNS)


def balance(day: date, **counts: int) -> dict[str, Any]:
    """Return one of the `balances` of a run. It is closed unless `unaccounted` is given."""
    names = ("record", "current", "superseded", "duplicate", "quarantined", "unaccounted")
    found = {f"{name}_count": counts.get(name, 0) for name in names}
    return {"ingestion_date": day, **found, "is_closed": not counts.get("unaccounted")}
