"""Restricted columns of GOLD on real Delta: NULL to readers outside the group, in the views and nowhere else.

The tests share one customer, and the last one changes it.
"""

from datetime import date

import pytest
from pipeline import put, run_day

from retailflow.contracts import gold_table
from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import newest, outdated_views, publish

DAY = date(2026, 1, 15)
ADA = {
    "customer_id": "C1", "first_name": "Ada", "last_name": "Byron", "email": "ada@example.org", "phone": "+49 1",
    "birth_date": "1990-02-03", "segment": "loyal", "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-15T08:00:00Z",
    "address": {"country": "DE", "region": "BE", "city": "Berlin", "postal_code": "10115"},
}  # fmt: skip
RESTRICTED = ("first_name", "last_name", "email", "phone", "birth_date")
OPEN = ("customer_id", "country", "region", "city", "postal_code", "segment", "is_current")


@pytest.fixture(scope="module", autouse=True)
def members(spark):
    """Databricks' function, which open-source Spark lacks: the reader is a member of the group `readers` only."""
    function = "spark_catalog.default.is_account_group_member"
    spark.sql(f"CREATE FUNCTION {function}(name STRING) RETURNS BOOLEAN RETURN name = 'readers'")
    yield
    spark.sql(f"DROP FUNCTION {function}")


@pytest.fixture(scope="module")
def built(module_tables, module_raw) -> Tables:
    put(module_raw, "customers", DAY, ADA)
    run_day(module_tables, module_raw, "customers", DAY)
    refresh(module_tables, gold_table("dim_customer"))
    return module_tables


def seen(tables, columns, place: str = "gold") -> tuple:
    """Return what a reader sees of the one customer, as text."""
    query = (
        f"SELECT {', '.join(columns)} FROM spark_catalog.{place}.dim_customer WHERE customer_id = 'C1' AND is_current"
    )
    (row,) = tables.spark.sql(query).collect()
    return tuple(None if value is None else str(value) for value in row)


def release_for(built, group: str | None) -> Tables:
    tables = Tables(built.spark, built.catalog, group)
    publish(tables)
    for view in outdated_views(tables, newest(tables)[1]):  # a group that changes without a release
        tables.spark.sql(view)
    return tables


@pytest.mark.parametrize("group", [None, "others"])
def test_a_reader_outside_the_group_sees_all_but_the_restricted_columns(built, group):
    tables = release_for(built, group)
    assert seen(tables, RESTRICTED) == (None, None, None, None, None)
    assert seen(tables, OPEN) == ("C1", "DE", "BE", "Berlin", "10115", "loyal", "True")


def test_a_member_of_the_group_sees_the_restricted_columns(built):
    tables = release_for(built, "readers")
    assert seen(tables, RESTRICTED) == ("Ada", "Byron", "ada@example.org", "+49 1", "1990-02-03")
    assert seen(tables, OPEN) == ("C1", "DE", "BE", "Berlin", "10115", "loyal", "True")


def test_the_jobs_see_it_in_the_table_and_the_view_has_the_table_s_types(built):
    tables = release_for(built, None)
    assert seen(tables, RESTRICTED, "gold_build") == ("Ada", "Byron", "ada@example.org", "+49 1", "1990-02-03")
    types = [tables.spark.table(f"spark_catalog.{place}.dim_customer").dtypes for place in ("gold", "gold_build")]
    assert types[0] == types[1]


def test_no_reader_can_probe_a_restricted_column_by_a_condition(built):
    tables = release_for(built, None)
    found = tables.spark.sql("SELECT count(*) FROM spark_catalog.gold.dim_customer WHERE email = 'ada@example.org'")
    assert found.first()[0] == 0


def test_a_view_is_replaced_when_the_group_changes_and_only_then(built):
    tables = release_for(built, "readers")
    released = newest(tables)[1]
    assert outdated_views(tables, released) == []
    (statement,) = outdated_views(Tables(tables.spark, tables.catalog, "others"), released)
    assert statement.startswith("CREATE OR REPLACE VIEW spark_catalog.gold.dim_customer ")
    assert "CASE WHEN is_account_group_member('others') THEN dim_customer.email END AS email" in statement


def test_the_view_of_a_release_from_before_the_masks_is_replaced_by_the_next(built, module_raw):
    tables = release_for(built, None)
    tables.spark.sql(
        "CREATE OR REPLACE VIEW spark_catalog.gold.dim_customer AS "
        "SELECT dim_customer.* FROM spark_catalog.gold_build.released WHERE name = 'dim_customer'"
    )
    assert seen(tables, ["email"]) == ("ada@example.org",)
    put(module_raw, "customers", DAY, {**ADA, "email": "ada@example.com", "updated_at": "2026-01-15T09:00:00Z"})
    run_day(tables, module_raw, "customers", DAY)
    refresh(tables, gold_table("dim_customer"))
    publish(tables)
    assert seen(tables, ["email"]) == (None,)
