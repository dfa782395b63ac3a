# ruff: noqa: E501 - lines of plans are as long as Spark writes them
"""Where a column comes from, read from plans as Spark writes them."""

import pytest

from retailflow_local.lineage import read

HEAD = "== Parsed Logical Plan ==\n'Project\n\n== Analyzed Logical Plan ==\nname: type\n"
TAIL = "\n\n== Optimized Logical Plan ==\nProject [x#1]\n"


def sources(plan: str) -> dict[str, list[str]]:
    return read(HEAD + plan + TAIL)


def test_aliases_joins_and_generators_are_followed_to_columns_and_fields():
    found = sources("""\
Aggregate [day#1, category#8], [day#1, coalesce(category#8, unknown) AS category#9, cast(sum(net#7) as decimal(28,4)) AS net#10, count(1) AS n#11L]
+- Project [day#1, (line#5.quantity * line#5.unit_price) AS net#7, category#8, index#4]
   +- Join LeftOuter, (sk#2 = other#6)
      :- Generate posexplode(lines#3), false, [index#4, line#5]
      :  +- SubqueryAlias spark_catalog.silver.orders
      :     +- Relation spark_catalog.silver.orders[day#1,sk#2,lines#3] parquet
      +- Filter NOT (other#6 = 00000)
         +- Relation spark_catalog.gold_build.dim_product[other#6,category#8] parquet""")
    assert found == {
        "day": ["silver.orders.day"],
        "category": ["gold.dim_product.category"],
        "net": ["silver.orders.lines.quantity", "silver.orders.lines.unit_price"],
        "n": ["gold.dim_product", "silver.orders"],
    }


def test_a_text_with_line_breaks_is_a_part_of_its_node():
    found = sources("""\
Project [trim(name#1, Some( \t\n\x0b\x0c\r \u2028)) AS name#2]
+- SubqueryAlias spark_catalog.bronze.stores
   +- Relation spark_catalog.bronze.stores[name#1] parquet""")
    assert found == {"name": ["bronze.stores.name"]}


def test_each_side_of_a_union_counts_and_a_lambda_s_variable_does_not():
    found = sources("""\
Project [total#5]
+- Union false, false
   :- Project [aggregate(lines#1, 0, lambdafunction((lambda x_0#3 + lambda x_1#4.tax), lambda x_0#3, lambda x_1#4, false)) AS total#5]
   :  +- Relation spark_catalog.silver.orders[lines#1] parquet
   +- Project [total#6]
      +- Relation spark_catalog.silver.store_sales[total#6] parquet""")
    assert found == {"total": ["silver.orders.lines", "silver.store_sales.total"]}


def test_a_view_is_the_source_of_what_it_shows_and_a_common_table_expression_is_seen_through():
    found = sources("""\
WithCTE
:- CTERelationDef 7, false
:  +- SubqueryAlias days
:     +- Project [day#1, amount#2]
:        +- View (`spark_catalog`.`marts`.`sales`, [day#1, amount#2])
:           +- Project [cast(day#11 as date) AS day#1, cast(amount#12 as decimal(18,4)) AS amount#2]
:              +- Relation spark_catalog.gold_build.fact_sales[day#11,amount#12] parquet
+- Project [day#1, amount#4 AS before#5, 1 AS one#6]
   +- Join LeftOuter, (day#3 = day#1)
      :- CTERelationRef 7, true, [day#1, amount#2], false, false
      +- CTERelationRef 7, true, [day#3, amount#4], false, false""")
    assert found == {"day": ["marts.sales.day"], "before": ["marts.sales.amount"], "one": ["marts.sales"]}


def test_a_bracket_in_a_message_ends_no_list():
    found = sources("""\
Project [CASE WHEN StartsWith(ltrim(text#1, None), [) THEN upper(text#1) ELSE concat(no list ], text#1) END AS shout#2, other#3]
+- Relation spark_catalog.bronze.orders[text#1,other#3] parquet""")
    assert found == {"shout": ["bronze.orders.text"], "other": ["bronze.orders.other"]}


def test_an_unknown_node_is_reported():
    with pytest.raises(ValueError, match="not understood: MapInArrow"):
        sources("MapInArrow f(x#1), [y#2]")
