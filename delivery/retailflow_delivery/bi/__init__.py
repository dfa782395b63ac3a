"""What Databricks, Power BI and Tableau have of GOLD and the marts, from the contracts and the metrics of dbt."""

from pathlib import Path

from retailflow_delivery.bi import databricks, power_bi, tableau

FOLDER = Path("include") / "bi"


def outputs(root: Path) -> dict[Path, str]:
    """The files that are written from here, and what they must hold."""
    written = {**databricks.files(), **power_bi.files(), **tableau.files()}
    return {root / FOLDER / name: text for name, text in written.items()}
