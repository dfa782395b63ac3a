"""Generate files for Databricks, Power BI and Tableau on GOLD and the marts, from contracts and the metrics of dbt."""

from pathlib import Path

from retailflow_delivery.bi import databricks, power_bi, tableau

FOLDER = Path("include") / "bi"


def outputs(root: Path) -> dict[Path, str]:
    """Return the generated files: the text of each by its path."""
    written = {**databricks.files(), **power_bi.files(), **tableau.files()}
    return {root / FOLDER / name: text for name, text in written.items()}
