import pytest


@pytest.mark.parametrize(("table", "key"), [("dim_customer", "customer_id"), ("dim_product", "product_id")])
def test_the_versions_of_a_key_follow_each_other_without_gap_or_overlap(rows, table, key):
    broken = rows(f"""
        SELECT {key}, valid_to, next_from FROM (
          SELECT {key}, valid_to, lead(valid_from) OVER (PARTITION BY {key} ORDER BY valid_from) AS next_from
          FROM gold.{table})
        WHERE next_from IS NOT NULL AND next_from IS DISTINCT FROM valid_to LIMIT 20""")
    assert broken == []


@pytest.mark.parametrize(("dimension", "key"), [("dim_customer", "customer_sk"), ("dim_product", "product_sk")])
def test_every_sale_finds_its_version(rows, dimension, key):
    lost = rows(f"""
        SELECT {key}, count(*) AS sales FROM gold.fact_sales f LEFT ANTI JOIN gold.{dimension} d USING ({key})
        GROUP BY ALL LIMIT 20""")
    assert lost == []
