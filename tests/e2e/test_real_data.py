"""The public AdventureWorks files through `./retailflow demo`: the mart equals what DuckDB counts in the CSV files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retailflow_local.workspace import REPOSITORY

DATA = Path(os.environ.get("RETAILFLOW_SAMPLE_DATA", REPOSITORY.parent / "shared" / "data")) / "adventureworks_sales"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.full,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the public data is not at {DATA}; RETAILFLOW_SAMPLE_DATA names it"),
]

DEMO = """
import sys
from datetime import date
from pathlib import Path
from retailflow_local.demo import Demo
from retailflow_local.state import Simulation
from retailflow_local.workspace import Workspace
demo = Demo(date(2017, 1, 1), 3, Simulation(), Path(sys.argv[1]))
sys.exit(0 if demo.run(Workspace(Path(sys.argv[2]))) else 1)
"""


def test_three_days_of_the_public_files_equal_duckdb_s_total_to_the_last_digit(tmp_path):
    command = [sys.executable, "-c", DEMO, str(DATA), str(tmp_path)]
    environment = os.environ | {"COLUMNS": "160"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    total = next(line for line in done.stdout.splitlines() if "total" in line)
    assert [cell.strip() for cell in total.split("│")[1:-1]] == [
        "total", "", "16", "50,705.8564", "50,705.8564", "0.0000", "0",
    ]  # fmt: skip
