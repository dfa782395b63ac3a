def line(quantity: int = 1, unit_price: str = "1", **more) -> dict:
    return {"product_id": "P1", "quantity": quantity, "unit_price": unit_price, **more}


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("fact_orders")


def test_the_due_amount_is_net_and_tax_and_shipping(world):
    lines = [
        line(3, "0.1", tax_amount="0.0600"),
        line(1, "0.2", discount_amount="0.0501", tax_amount="0.0299"),
        line(-1, "0.1", tax_amount="-0.0200"),
    ]
    columns = ("line_count", "unit_count", "gross_amount", "discount_amount", "net_amount", "tax_amount")
    found = world(orders=[{"lines": lines, "shipping": {"amount": "4.9"}}])
    assert found.rows("fact_orders", *columns, "shipping_amount", "due_amount", "has_sold_line") == [
        ("3", "3", "0.4000", "0.0501", "0.3499", "0.0699", "4.9000", "5.3198", "true")
    ]


def test_missing_amounts_count_as_0_and_other_columns_stay_null(world):
    columns = (
        "due_amount",
        "shipping_amount",
        "tax_amount",
        "country",
        "shipping_method",
        "coupon_codes",
        "customer_id",
    )
    assert world(orders=[{"lines": [line()]}]).rows("fact_orders", *columns) == [
        ("1.0000", "0.0000", "0.0000", None, None, None, None)
    ]


def test_a_cancelled_order_keeps_its_row_and_amounts_to_0(world):
    cancelled = {"status": "cancelled", "lines": [line()], "shipping": {"amount": "5", "address": {"country": "DE"}}}
    columns = (
        "status",
        "country",
        "line_count",
        "unit_count",
        "net_amount",
        "shipping_amount",
        "due_amount",
        "has_sold_line",
    )
    assert world(orders=[cancelled]).rows("fact_orders", *columns) == [
        ("cancelled", "DE", "0", "0", "0.0000", "0.0000", "0.0000", "false")
    ]


def test_an_order_of_returns_only_and_one_without_lines_do_not_count(world):
    orders = [
        {"order_id": "O1", "lines": [line(-1)]},
        {"order_id": "O2", "lines": None},
        {"order_id": "O3", "lines": [line(-1), line(1, "0")]},
    ]
    assert world(orders=orders).rows("fact_orders", "order_id", "has_sold_line", "net_amount") == [
        ("O1", "false", "-1.0000"),
        ("O2", "false", "0.0000"),
        ("O3", "true", "-1.0000"),
    ]


def test_large_sums_are_exact(world):
    lines = [line(1000000, "9999999.9999")] * 30 + [line(1, "0.0001")]
    assert world(orders=[{"lines": lines}]).rows("fact_orders", "net_amount") == [("299999999997000.0001",)]


def test_orders_and_sales_have_the_same_net_amount(world):
    orders = [
        {"lines": [line(3, "0.1"), line(-1, "0.3333", discount_amount="-0.0001")]},
        {"order_id": "O2", "status": "cancelled", "lines": [line()]},
    ]
    found = world(orders=orders)
    assert found.rows("fact_orders", "order_id", "net_amount") == [("O1", "-0.0332"), ("O2", "0.0000")]
    assert found["gold.fact_sales"].groupBy().sum("net_amount").first()[0].to_eng_string() == "-0.0332"


def test_a_changed_order_and_a_late_customer_are_recomputed(world, recompute):
    others = [{"order_id": "O2", "customer_id": "C9"}, {"order_id": "O3", "customer_id": "C1"}]
    before = world(orders=[{"lines": [line()]}, *others], customers=[{"customer_id": "C1"}])
    after = world(
        orders=[{"status": "cancelled", "lines": [line()]}, *others],
        customers=[{"customer_id": "C1"}, {"customer_id": "C9"}],
    )
    run = recompute("fact_orders", before, after)
    assert run.keys == [("O1", "2026-01-15"), ("O2", "2026-01-15")]
    assert run.equals_a_rebuild()
