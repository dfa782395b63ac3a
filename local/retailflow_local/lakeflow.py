"""`./retailflow lakeflow`: the declarative pipeline, as far as open-source Spark runs it (docs/LAKEFLOW.md)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from retailflow.environments import load_environment
from retailflow_local.commands import inherited
from retailflow_local.state import workspace_files
from retailflow_local.workspace import Workspace

SOURCES = ("orders.py", "orders_open_source.py")


def lakeflow(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Forget what was read; rebuild from RAW.")
    ] = False,
) -> None:
    """Update the tables `orders_lakeflow` from RAW with a declarative pipeline, beside the tables of the jobs."""
    workspace = Workspace()
    workspace.require_spark()
    raise typer.Exit(update(workspace, load_environment("local").raw.root, full_refresh))


def update(workspace: Workspace, raw_root: str, full_refresh: bool = False) -> int:
    """Run one update, which prints its events. Returns the exit code of Spark's own command line."""
    folder = workspace.root / "lakeflow"
    folder.mkdir(exist_ok=True)
    release = workspace_files(workspace.root) / "releases" / workspace.release.version
    sources = (os.path.relpath(release / "spark_jobs" / "pipelines" / name, folder) for name in SOURCES)
    spec = {
        "name": "orders_lakeflow",
        "storage": (folder / "checkpoints").as_uri(),
        "catalog": "spark_catalog",
        "database": "bronze",
        "libraries": [{"glob": {"include": source}} for source in sources],
        "configuration": {
            "retailflow.raw_root": raw_root,
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.sources.default": "delta",
        },
    }
    (folder / "spark-pipeline.yml").write_text(yaml.safe_dump(spec, sort_keys=False))
    command = [sys.executable, "-m", "pyspark.pipelines.cli", "run", "--spec", str(folder / "spark-pipeline.yml")]
    settings = {
        "SPARK_REMOTE": workspace.spark_remote,
        "PYTHONPATH": str(release / Path(workspace.release.wheel).name),
    }
    if full_refresh:
        command.append("--full-refresh-all")
    return subprocess.run(command, env=inherited() | settings, check=False).returncode
