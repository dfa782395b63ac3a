"""A change that can affect rows changes the digest; a change of prose does not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import retailflow_spark
from retailflow import fingerprints
from retailflow.contracts import feed_contract, gold_table
from retailflow.contracts.model import Check
from retailflow_spark.job.run_log import built_with

PACKAGE = Path(retailflow_spark.__file__).parent
ORDERS, MART = feed_contract("orders"), gold_table("daily_revenue_mart")


@pytest.fixture
def package(tmp_path):
    return Path(shutil.copytree(PACKAGE, tmp_path / "retailflow_spark", ignore=shutil.ignore_patterns("*.pyc")))


def digests(package: Path) -> tuple[str, str, str]:
    return (
        fingerprints.of_bronze(ORDERS, package),
        fingerprints.of_silver(ORDERS, package),
        fingerprints.of_gold(MART, package),
    )


def test_a_copy_of_the_code_has_the_same_digests(package):
    assert digests(package) == digests(PACKAGE)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("bronze/encoding.py", (True, True, False)),
        ("silver/values.py", (False, True, False)),
        ("gold/money.py", (False, False, True)),
        ("gold/daily_revenue_mart.py", (False, False, True)),
        ("gold/fact_orders.py", (False, False, False)),
        ("delta/writer.py", (False, False, False)),
    ],
)
def test_a_change_of_code_changes_what_is_made_with_it(package, file, changed):
    before = digests(package)
    path = package / file
    path.write_text(path.read_text() + "\n\ndef changed():\n    return 1\n")
    assert tuple(a != b for a, b in zip(before, digests(package), strict=True)) == changed


def test_comments_and_docstrings_change_nothing(package):
    before = digests(package)
    for path in package.rglob("*.py"):
        text = path.read_text()
        path.write_text(text.replace('"""', '"""Other words. ', 1).replace("\n\n\n", "\n\n\n# A comment.\n"))
    assert digests(package) == before


def test_a_rule_changes_silver_and_a_description_nothing():
    stricter = replace(ORDERS, checks=(*ORDERS.checks, Check("c", "true", "never")))
    assert fingerprints.of_silver(stricter, PACKAGE) != fingerprints.of_silver(ORDERS, PACKAGE)
    assert fingerprints.of_bronze(stricter, PACKAGE) == fingerprints.of_bronze(ORDERS, PACKAGE)
    columns = tuple(replace(column, description="other") for column in ORDERS.silver.columns)
    described = replace(ORDERS, silver=replace(ORDERS.silver, columns=columns, description="other"))
    assert fingerprints.of_silver(described, PACKAGE) == fingerprints.of_silver(ORDERS, PACKAGE)


@pytest.mark.parametrize("layer", ["bronze", "silver"])
def test_a_run_records_the_code_of_the_whole_package(layer):
    make = {"bronze": fingerprints.of_bronze, "silver": fingerprints.of_silver}[layer]
    assert built_with(layer, ORDERS) == make(ORDERS, PACKAGE) != make(ORDERS, PACKAGE / "job")
    assert built_with("gold", MART) == fingerprints.of_gold(MART, PACKAGE)
