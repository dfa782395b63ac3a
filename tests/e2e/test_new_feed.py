"""A ninth feed by one command: in a copy of the repository, a contract from a sample and then a whole day with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retailflow_local.workspace import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(1800)]
PACKAGES = ("include", "spark_jobs", "plugins", "local", "delivery")
SAMPLE = """supplier_id,name,country,rating,is_active,value,since,updated_at
S-1,Acme GmbH,DE,4,true,12500.50,2019-03-01,2026-01-10T08:00:00Z
S-2,"Borges, Lda",PT,5,true,900,2020-05-17,2026-01-11T09:30:00.250Z
S-3,Cobalt,US,,false,,,2026-01-12T10:00:00+01:00
"""
LOOK = "SELECT count(*) AS valid FROM silver.suppliers"


@pytest.fixture
def copy(tmp_path) -> Path:
    names = ("dags", "docs", "resources", "terraform", "tests", "pyproject.toml", "uv.lock", "README.md", *PACKAGES)
    for name in (*names, "databricks.yml", "requirements.txt"):
        path = REPOSITORY / name
        ignored = shutil.ignore_patterns("__pycache__", ".terraform")
        if path.is_dir():
            shutil.copytree(path, tmp_path / "copy" / name, ignore=ignored)
        else:
            shutil.copy(path, tmp_path / "copy" / name)
    return tmp_path / "copy"


@pytest.fixture
def retailflow(copy):
    """`retailflow("status")`: runs a command of the copy; returns what it printed."""
    path = os.pathsep.join(str(copy / name) for name in PACKAGES)
    environment = os.environ | {"PYTHONPATH": path, "RETAILFLOW_HOME": str(copy), "COLUMNS": "160"}

    def run(*arguments: str) -> str:
        command = (sys.executable, "-m", "retailflow_local.cli", *arguments)
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    yield run
    subprocess.run((sys.executable, "-m", "retailflow_local.cli", "down"), cwd=copy, env=environment, check=False)


def files(root: Path) -> dict[Path, bytes]:
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_ninth_feed_is_one_command_and_its_first_day_is_green(copy, retailflow, tmp_path):
    sample = tmp_path / "suppliers.csv"
    sample.write_text(SAMPLE)
    before = files(copy)
    retailflow("new-feed", "suppliers", "--sample", str(sample), "--key", "supplier_id", "--version", "updated_at")
    after = {path: content for path, content in files(copy).items() if "__pycache__" not in path.parts}
    assert sorted(str(path) for path in after.keys() - before.keys()) == [
        "docs/schemas/suppliers.schema.json",
        "include/retailflow/contracts/suppliers.odcs.yaml",
        "tests/feeds/suppliers/arrives.csv",
        "tests/feeds/suppliers/silver.csv",
    ]
    generated = {Path("resources/retailflow_main_pipeline.yml"), Path("terraform/unity_catalog.json")}
    assert {path for path in before.keys() & after.keys() if before[path] != after[path]} == generated
    said = retailflow("demo", "--scale", "0.02")
    assert "suppliers" in said
    retailflow("up")
    assert int(retailflow("sql", "--csv", LOOK).split()[-1]) > 0
