from pyspark.sql import functions as F
from samples import line


def product(product_id: str, category: str | None, updated_at: str = "2026-01-01T00:00:00Z") -> dict:
    return {"product_id": product_id, "category": category, "updated_at": updated_at}


PRODUCTS = [product("P1", "light"), product("P2", "garden"), product("P3", None)]


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("daily_revenue_mart")


def test_an_order_counts_in_each_category_where_it_has_a_positive_line(world):
    orders = [
        {"lines": [line("P1"), line("P1"), line("P2")]},
        {"order_id": "O2", "lines": [line("P1", -1), line("P3")]},
        {"order_id": "O3", "lines": [line("P9")]},
    ]
    found = world(orders=orders, products=PRODUCTS)
    assert found.rows("daily_revenue_mart", "category", "order_count", "unit_count") == [
        ("garden", "1", "1"),
        ("light", "1", "1"),
        ("unknown", "2", "2"),
    ]


def test_returns_are_subtracted_and_reported_as_positive_numbers(world):
    orders = [
        {"lines": [line(quantity=3, unit_price="0.1"), line(quantity=-2, unit_price="0.1", discount_amount="-0.05")]}
    ]
    columns = ("unit_count", "gross_amount", "discount_amount", "net_amount", "returned_unit_count", "returned_amount")
    assert world(orders=orders, products=PRODUCTS).rows("daily_revenue_mart", *columns) == [
        ("1", "0.1000", "-0.0500", "0.1500", "2", "0.1500")
    ]


def test_groups_are_those_with_a_line_and_currencies_are_kept_apart(world):
    found = world(
        orders=[{"lines": [line()]}, {"order_id": "O2", "currency": "USD", "lines": [line(quantity=-1)]}],
        store_sales=[{"sold_at_local": "2026-01-16T09:00:00"}],
    )
    columns = ("business_date", "channel", "store_id", "currency", "order_count", "net_amount")
    assert found.rows("daily_revenue_mart", *columns) == [
        ("2026-01-15", "online", "online", "EUR", "1", "1.0000"),
        ("2026-01-15", "online", "online", "USD", "0", "-1.0000"),
        ("2026-01-16", "store", "S1", "EUR", "1", "1.0000"),
    ]


def test_its_totals_equal_those_of_the_sales_to_the_last_digit(world):
    prices = ["0.1", "0.2", "9999999.9999", "0.0001"]
    lines = [line(f"P{number}", 1000000, price, tax_amount="0.0003") for number, price in enumerate(prices)]
    found = world(orders=[{"lines": lines}], store_sales=[{"unit_price": "0.3333", "quantity": -7}], products=PRODUCTS)
    names = ("gross_amount", "net_amount", "tax_amount")
    totals = [
        [str(value) for value in found[f"gold.{name}"].agg(*map(F.sum, names)).first()]
        for name in ("fact_sales", "daily_revenue_mart")
    ]
    # (0.1 + 0.2 + 9999999.9999 + 0.0001) million, less 7 times 0.3333; 4 times 0.0003
    assert totals == [["10000000299997.6669", "10000000299997.6669", "0.0012"]] * 2


def test_only_the_dates_of_changed_lines_are_recomputed_and_a_vanished_group_goes(world, recompute):
    older = {"receipt_id": "R0", "sold_at_local": "2026-01-14T10:00:00"}
    before = world(store_sales=[older, {}], orders=[{"lines": [line("P2")]}], products=PRODUCTS)
    after = world(store_sales=[older, {"quantity": 2}], orders=[{"status": "cancelled"}], products=PRODUCTS)
    run = recompute("daily_revenue_mart", before, after)
    assert run.keys == [("2026-01-15",)]
    assert run.equals_a_rebuild()


def test_a_category_corrected_in_place_moves_its_revenue_and_a_new_version_does_not(world, recompute):
    sales = [{"sold_at_local": "2026-01-14T10:00:00"}, {"receipt_id": "R2", "product_id": "P2"}]
    before = world(store_sales=sales, products=[product("P1", "light"), product("P2", "garden")])
    newer = product("P2", "indoor", "2026-02-01T00:00:00Z")
    after = world(store_sales=sales, products=[product("P1", "lamps"), product("P2", "garden"), newer])
    run = recompute("daily_revenue_mart", before, after)
    assert run.keys == [("2026-01-14",)]
    assert run.equals_a_rebuild()
