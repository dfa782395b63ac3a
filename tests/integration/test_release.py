"""Readers of GOLD see audited versions only, and never two releases in one statement."""

import time

import pytest
from pyspark.sql import functions as F
from shop import Shop

from retailflow.contracts import gold_table
from retailflow_spark.publish import release
from retailflow_spark.publish.release import AuditError, newest, publish_or_fail

MART, FACTS = "gold.daily_revenue_mart", "gold.fact_sales"


@pytest.fixture(scope="module")
def shop(module_tables, module_raw) -> Shop:
    """A shop with a published sale. Each test sells at a price of its own."""
    shop = Shop(module_tables, module_raw)
    shop.sell("10")
    shop.build()
    shop.publish()
    assert shop.seen() == ("10.0000", "10.0000")
    return shop


def test_a_table_that_breaks_a_warning_is_published_and_reported(shop):
    rows = shop.tables.read("ops.audits").where("name = 'payment_reconciliation'").collect()
    assert [(row.audit, row.is_blocking, row.broken_count) for row in rows] == [("reconciled", False, 1)]
    assert "gold.payment_reconciliation" in newest(shop.tables)[1]


def test_the_views_have_the_contract_s_comments(shop):
    described = shop.tables.spark.sql("DESCRIBE spark_catalog.gold.daily_revenue_mart").collect()
    columns = gold_table("daily_revenue_mart").table.columns
    assert {row.col_name: row.comment for row in described} == {column.name: column.description for column in columns}


def test_publishing_again_makes_no_release(shop):
    before = newest(shop.tables)
    assert shop.publish().versions == {}
    assert newest(shop.tables) == before


def test_readers_see_nothing_of_a_build_that_is_half_done_and_that_is_no_failure(shop):
    before = shop.seen()
    shop.sell("20")
    shop.build("fact_orders", "fact_sales")
    choice = shop.publish()
    assert (choice.blocked, "gold.fact_orders" in choice.versions, FACTS in choice.versions) == (set(), True, False)
    assert not any(finding.rule.is_blocking for finding in choice.findings)
    assert shop.seen() == before


def test_a_run_that_died_between_the_pointer_and_the_view_is_shown_by_the_next(shop, monkeypatch):
    before = shop.seen()
    shop.sell("30")
    shop.build()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(release, "swap_views", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        shop.publish()
    assert shop.seen() == before
    shop.publish()
    assert shop.seen() == ("30.0000", "30.0000")


def test_the_one_view_is_changed_in_place_so_that_no_reader_finds_it_missing(shop):
    """Open-source Spark replaces a view by dropping and creating it."""

    def made() -> str:
        about = shop.tables.spark.sql("DESCRIBE TABLE EXTENDED spark_catalog.gold_build.released")
        return about.where("col_name = 'Created Time'").first().data_type

    before, number = made(), newest(shop.tables)[0]
    shop.sell("40")
    shop.build()
    time.sleep(1)  # the catalog stores whole seconds
    shop.publish()
    assert newest(shop.tables)[0] > number
    assert made() == before


def test_a_mart_that_differs_from_its_facts_is_blocked_with_them_and_the_others_move(shop, monkeypatch):
    before = shop.seen()
    shop.sell("50")
    shop.build()
    shop.spoil()
    monkeypatch.setattr(release, "refresh", lambda *_: None)  # as if its sources said so
    with pytest.raises(AuditError, match=r"gold\.daily_revenue_mart: its sums are not those of gold\.fact_sales"):
        publish_or_fail(shop.tables)
    assert shop.seen() == before
    moved = shop.tables.read("ops.releases").orderBy(F.desc("release")).first().moved
    assert "gold.payment_reconciliation" in moved and MART not in moved


def test_a_blocked_table_is_rebuilt_by_the_publication_itself_though_no_source_has_changed(shop):
    shop.sell("60")
    shop.build()
    shop.spoil()
    publish_or_fail(shop.tables)
    assert shop.seen() == ("60.0000", "60.0000")
