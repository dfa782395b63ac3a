def version(day: str, **values) -> dict:
    return {"updated_at": f"2026-01-{day}T00:00:00Z", **values}


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("dim_product")


def test_a_new_price_starts_a_version_and_a_new_currency_does_not(world):
    products = [
        version("01", list_price="1.0000", currency="EUR"),
        version("02", list_price="1.0000", currency="USD"),
        version("03", list_price="1.0001", currency="USD"),
    ]
    assert world(products=products).rows("dim_product", "valid_from", "list_price", "currency", "is_current") == [
        ("0001-01-01 00:00:00", "1.0000", "EUR", "false"),
        ("0001-01-01 00:00:00", None, None, "true"),  # the unknown member
        ("2026-01-03 00:00:00", "1.0001", "USD", "true"),
    ]


def test_each_tracked_column_starts_a_version(world):
    changes = [
        *({"name": "New"}, {"category": "c"}, {"subcategory": "s"}, {"brand": "b"}),
        *({"list_price": "1"}, {"unit_cost": "1"}, {"is_active": False}),
    ]
    products = [
        row
        for number, change in enumerate(changes)
        for row in (version("01", product_id=f"P{number}"), version("02", product_id=f"P{number}", **change))
    ]
    assert world(products=products)["gold.dim_product"].count() == 7 * 2 + 1


def test_a_correction_of_the_first_version_gives_what_a_rebuild_gives(world, recompute):
    before = world(products=[version("05", category="a"), version("05", product_id="P2")])
    after = world(products=[version("03", category="b"), version("05", category="a"), version("05", product_id="P2")])
    run = recompute("dim_product", before, after)
    assert run.keys == [("P1",)]
    assert run.equals_a_rebuild()
