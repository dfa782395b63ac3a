"""Write dbt's sources: the contracts of GOLD in dbt's format."""

from pathlib import Path
from typing import Any

import yaml

from retailflow.contracts import GoldContract, gold_tables
from retailflow_local.commands import REPOSITORY
from retailflow_local.dbt import PROPERTIES

_GRACE_HOURS = 6  # a run that is at most this late causes no warning
_BUILT = "SELECT max(started_at) FROM ops.task_attempts WHERE layer = 'gold' AND name = '{name}'"


def outputs(root: Path) -> dict[Path, str]:
    """Return the generated file by its path: the descriptions of tables and columns, and their maximum age."""
    tables = [_source(contract) for contract in sorted(gold_tables(), key=lambda contract: contract.name)]
    source = {
        "name": "gold",
        "description": "The tables that readers see: audited versions only, all published at once.",
        "schema": "gold",
        "tables": tables,
    }
    head = "# Written by ./retailflow contracts schemas from the contracts of GOLD.\n"
    text = yaml.safe_dump({"sources": [source]}, sort_keys=False, allow_unicode=True, width=120)
    return {root / PROPERTIES.relative_to(REPOSITORY) / "sources.yml": head + text}


def _source(contract: GoldContract) -> dict[str, Any]:
    promise = next(p for p in contract.document["slaProperties"] if p["property"] == "frequency")
    hours = int(promise["value"]) * 24
    return {
        "name": contract.name,
        "description": contract.description,
        "config": {
            "loaded_at_query": _BUILT.format(name=contract.name),
            "freshness": {
                "warn_after": {"count": hours + _GRACE_HOURS, "period": "hour"},
                "error_after": {"count": 2 * hours + _GRACE_HOURS, "period": "hour"},
            },
        },
        "columns": [
            {"name": column.name, "description": column.description, "data_type": column.type.lower()}
            for column in contract.table.columns
        ],
    }
