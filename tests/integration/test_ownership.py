"""An identity can write to what another one has created but not redefine it, so all jobs must run as the same one."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from ownership import Identity
from pyspark.errors import PySparkException

from retailflow.contracts import Check, Column, gold_table
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.job import run_log
from retailflow_spark.publish.release import publish

STORES = gold_table("dim_store")


@pytest.fixture
def tables_of(tables) -> Callable[[str], Tables]:
    """`tables_of("jobs")`: the catalog as that identity uses it."""
    owners: dict[str, str] = {}
    return lambda name: Tables(Identity(tables.spark, name, owners), tables.catalog)


def release_by(tables: Tables, table: str) -> None:
    refresh(tables, gold_table(table))
    publish(tables)


def test_one_identity_publishes_again_and_again(tables_of):
    release_by(tables_of("jobs"), "dim_date")
    release_by(tables_of("jobs"), "dim_store")
    views = tables_of("jobs").spark.sql("SHOW VIEWS IN spark_catalog.gold").collect()
    assert {view.viewName for view in views if not view.isTemporary} == {"dim_date", "dim_store"}


def test_after_a_publication_by_another_identity_the_jobs_cannot_publish(tables_of):
    """A release that tried the deployed code under its own identity would cause this."""
    release_by(tables_of("deployer"), "dim_date")
    with pytest.raises(PySparkException, match=r"jobs is not the owner of spark_catalog\.gold_build\.released"):
        release_by(tables_of("jobs"), "dim_store")


def test_the_views_of_the_run_log_cannot_follow_the_code_of_another_identity(tables_of, monkeypatch):
    run_log.create(tables_of("deployer"))
    comment, query = run_log._VIEWS[run_log.AUDITS]
    monkeypatch.setitem(run_log._VIEWS, run_log.AUDITS, (f"{comment} And more.", query))
    with pytest.raises(PySparkException, match=r"jobs is not the owner of spark_catalog\.ops\."):
        run_log.create(tables_of("jobs"))
    run_log.create(tables_of("deployer"))


def test_a_table_of_another_identity_takes_rows_and_columns_but_no_row_check(tables_of):
    table = STORES.table
    create(tables_of("deployer"), [table])
    refresh(tables_of("jobs"), STORES)
    wider = replace(table, columns=(*table.columns, Column("more", "STRING", "One more.")))
    create(tables_of("jobs"), [wider])
    checked = replace(wider, checks=(*table.checks, Check("more_is_known", "more <> 'unknown'", "More is unknown.")))
    with pytest.raises(PySparkException, match=r"jobs is not the owner of spark_catalog\.gold_build\.dim_store"):
        create(tables_of("jobs"), [checked])
    create(tables_of("deployer"), [checked])
