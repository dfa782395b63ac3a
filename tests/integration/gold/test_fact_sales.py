from samples import line

ZEROS = "0" * 32


def product(updated_at: str, product_id: str = "P1", **more) -> dict:
    return {"product_id": product_id, "updated_at": updated_at, **more}


def names_at_sale(found) -> list[tuple]:
    """Return each sale with the name of the product version that it found."""
    facts, products = found["gold.fact_sales"], found["gold.dim_product"].select("product_sk", "name")
    rows = facts.join(products, "product_sk").orderBy("sale_id").select("sale_id", "name").collect()
    return [tuple(row) for row in rows]


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("fact_sales")


def test_a_line_of_either_channel_is_a_row(world):
    orders = [{"lines": [line(line_number=7, quantity=2, unit_price="1.5", discount_amount="0.5", tax_amount="0.4")]}]
    sales = [{"store_id": None, "register_id": "K1", "quantity": 1, "unit_price": "3"}]
    columns = ("channel", "sale_id", "line_number", "store_id", "register_id", "gross_amount", "discount_amount")
    columns += ("net_amount", "tax_amount", "is_return")
    assert world(orders=orders, store_sales=sales).rows("fact_sales", *columns) == [
        ("online", "O1", "7", "online", None, "3.0000", "0.5000", "2.5000", "0.4000", "false"),
        ("store", "R1", "1", "unknown", "K1", "3.0000", "0.0000", "3.0000", "0.0000", "false"),
    ]


def test_a_cancelled_order_has_no_rows_and_a_returned_one_keeps_its_amounts(world):
    orders = [
        {"order_id": "O1", "status": "cancelled", "lines": [line()]},
        {
            "order_id": "O2",
            "status": "returned",
            "lines": [line(quantity=2), line(quantity=-1, discount_amount="-0.25")],
        },
    ]
    assert world(orders=orders).rows("fact_sales", "sale_id", "quantity", "net_amount", "is_return") == [
        ("O2", "-1", "-0.7500", "true"),
        ("O2", "2", "2.0000", "false"),
    ]


def test_decimals_are_exact_to_the_last_digit(world):
    lines = [line(unit_price="0.1", discount_amount="-0.2"), line(quantity=999999, unit_price="9999999.9999")]
    assert world(orders=[{"lines": lines}]).rows("fact_sales", "net_amount") == [("0.3000",), ("9999989999900.0001",)]


def test_lines_keep_their_numbers_where_these_tell_them_apart(world):
    sent = {"distinct": [5, 9], "one absent": [None, 5], "repeated": [3, 3, 8], "absent and taken": [2, None]}
    orders = [{"order_id": name, "lines": [line(line_number=n) for n in numbers]} for name, numbers in sent.items()]
    assert world(orders=orders).rows("fact_sales", "sale_id", "line_number") == [
        *[("absent and taken", "1"), ("absent and taken", "2"), ("distinct", "5"), ("distinct", "9")],
        *[("one absent", "1"), ("one absent", "5"), ("repeated", "1"), ("repeated", "2"), ("repeated", "3")],
    ]


def test_local_times_become_utc_on_the_days_the_clocks_change(world):
    moments = [
        ("America/New_York", "2026-03-08T01:59:59", "2026-03-08 06:59:59"),
        ("America/New_York", "2026-03-08T02:30:00", "2026-03-08 07:30:00"),  # nonexistent: 03:30 summer time
        ("America/New_York", "2026-03-08T03:00:00", "2026-03-08 07:00:00"),
        ("America/New_York", "2026-11-01T01:30:00", "2026-11-01 05:30:00"),  # ambiguous: still summer time
        ("America/New_York", "2026-11-01T02:00:00", "2026-11-01 07:00:00"),
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29 01:30:00"),  # nonexistent
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25 00:30:00"),  # ambiguous
        ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25 02:00:00"),
    ]
    zones = {zone for zone, _, _ in moments}
    sales = [{"receipt_id": local, "store_id": zone, "sold_at_local": local} for zone, local, _ in moments]
    found = world(stores=[{"store_id": zone, "timezone": zone} for zone in zones], store_sales=sales)
    expected = sorted((local, utc, local[:10]) for _, local, utc in moments)
    assert found.rows("fact_sales", "sale_id", "sold_at", "business_date") == expected


def test_the_business_date_is_local_in_a_store_and_utc_online(world):
    found = world(
        stores=[{"timezone": "Asia/Tokyo"}],
        store_sales=[{"sold_at_local": "2026-01-16T00:30:00"}],
        orders=[{"ordered_at": "2026-01-15T23:30:00Z", "lines": [line()]}],
    )
    assert found.rows("fact_sales", "channel", "sold_at", "business_date") == [
        ("online", "2026-01-15 23:30:00", "2026-01-15"),
        ("store", "2026-01-15 15:30:00", "2026-01-16"),
    ]


def test_a_sale_finds_the_one_version_that_is_valid_at_its_moment(world):
    products = [product("2026-01-01T00:00:00Z", name="old"), product("2026-01-15T10:00:00Z", name="new")]
    sales = [
        {"receipt_id": "R1", "sold_at_local": "2020-01-01T00:00:00"},
        {"receipt_id": "R2", "sold_at_local": "2026-01-15T09:59:59.999999"},
        {"receipt_id": "R3", "sold_at_local": "2026-01-15T10:00:00"},
    ]
    found = world(products=products, store_sales=sales)
    assert names_at_sale(found) == [("R1", "old"), ("R2", "old"), ("R3", "new")]


def test_a_missing_id_or_dimension_row_gives_the_unknown_member(world):
    sales = [
        {"receipt_id": "R1", "customer_id": "C9"},
        {"receipt_id": "R2", "customer_id": None, "product_id": "unknown"},
    ]
    found = world(store_sales=sales, customers=[{"customer_id": "C1"}], products=[product("2026-01-01T00:00:00Z")])
    rows = found.rows("fact_sales", "sale_id", "customer_id", "customer_sk", "product_sk")
    assert [(row[0], row[1], row[2] == ZEROS, row[3] == ZEROS) for row in rows] == [
        ("R1", "C9", True, False),
        ("R2", None, True, True),
    ]


def test_a_late_dimension_row_repoints_the_sales_that_waited_for_it(world, recompute):
    sales = [{"receipt_id": "R1", "product_id": "P9"}, {"receipt_id": "R2"}]
    orders = [{"customer_id": "C9", "lines": [line()]}, {"order_id": "O2", "lines": [line()]}]
    known = product("2026-01-01T00:00:00Z")
    before = world(store_sales=sales, orders=orders, products=[known])
    late = product("2026-02-01T00:00:00Z", "P9", name="late")
    after = world(store_sales=sales, orders=orders, products=[known, late], customers=[{"customer_id": "C9"}])
    run = recompute("fact_sales", before, after)
    assert run.keys == [("online", "O1", "2026-01-15"), ("store", "R1", "2026-01-15")]
    assert run.equals_a_rebuild()


def test_a_new_version_recomputes_only_the_sales_it_takes_over(world, recompute):
    sales = [{"receipt_id": "R1", "sold_at_local": "2020-01-01T00:00:00"}, {"receipt_id": "R2"}]
    first, second = product("2026-01-01T00:00:00Z"), product("2026-01-10T00:00:00Z", name="new")
    before, after = world(store_sales=sales, products=[first]), world(store_sales=sales, products=[first, second])
    run = recompute("fact_sales", before, after)
    assert run.keys == [("store", "R2", "2026-01-15")]
    assert run.equals_a_rebuild()


def test_a_store_that_gets_its_time_zone_moves_its_sales_to_their_moment_and_version(world, recompute):
    sales = [{"sold_at_local": "2026-01-15T10:00:00"}, {"receipt_id": "R2", "store_id": "S2"}]
    products = [product("2026-01-01T00:00:00Z", name="old"), product("2026-01-15T12:00:00Z", name="new")]
    before = world(store_sales=sales, products=products, stores=[{"store_id": "S2"}])
    stores = [{"timezone": "America/New_York"}, {"store_id": "S2", "name": "Renamed"}]
    after = world(store_sales=sales, products=products, stores=stores)
    assert names_at_sale(before) == [("R1", "old"), ("R2", "old")]
    assert names_at_sale(after) == [("R1", "new"), ("R2", "old")]
    run = recompute("fact_sales", before, after)
    assert run.keys == [("store", "R1", "2026-01-15")]
    assert run.equals_a_rebuild()


def test_a_sale_after_the_store_closed_is_kept_and_marked(world, recompute):
    sales = [{"sold_at_local": "2026-01-15T10:00:00"}, {"receipt_id": "R2", "sold_at_local": "2026-01-14T23:00:00"}]
    before, after = (
        world(store_sales=sales, stores=[{}]),
        world(store_sales=sales, stores=[{"closed_on": "2026-01-14"}]),
    )
    assert after.rows("fact_sales", "sale_id", "is_after_closing") == [("R1", "true"), ("R2", "false")]
    assert recompute("fact_sales", before, after).equals_a_rebuild()


def test_a_changed_cancelled_and_corrected_sale_gives_what_a_rebuild_gives(world, recompute):
    before = world(
        orders=[
            {"lines": [line(), line()]},
            {"order_id": "O2", "lines": [line()]},
            {"order_id": "O3", "lines": [line()]},
        ],
        store_sales=[{}, {"receipt_id": "R2"}],
    )
    after = world(
        orders=[
            {"lines": [line(quantity=-1)]},
            {"order_id": "O2", "status": "cancelled", "lines": [line()]},
            {"order_id": "O3", "lines": [line()]},
        ],
        store_sales=[{"revision": 2, "quantity": 5}, {"receipt_id": "R2"}],
    )
    run = recompute("fact_sales", before, after)
    assert [key[:2] for key in run.keys] == [("online", "O1"), ("online", "O2"), ("store", "R1")]
    assert run.equals_a_rebuild()
