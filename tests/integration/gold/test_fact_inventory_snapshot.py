def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("fact_inventory_snapshot")


def test_stock_is_measured_exactly_and_may_be_negative(world):
    inventory = [
        {"quantity_on_hand": 3, "quantity_reserved": 1, "reorder_point": 2, "unit_cost": "0.1"},
        {"product_id": "P2", "quantity_on_hand": -2, "quantity_reserved": 0, "reorder_point": 2, "unit_cost": "0.3333"},
        {"product_id": "P3", "quantity_on_hand": 3},
    ]
    columns = ("product_id", "quantity_available", "is_below_reorder_point", "stock_value_amount")
    assert world(inventory=inventory).rows("fact_inventory_snapshot", *columns) == [
        ("P1", "2", "false", "0.3000"),
        ("P2", "-2", "true", "-0.6666"),
        ("P3", None, None, None),
    ]


def test_a_snapshot_finds_the_product_as_of_the_end_of_its_day_even_when_corrected_later(world):
    products = [
        {"name": "old", "updated_at": "2026-01-01T00:00:00Z"},
        {"name": "of the day", "updated_at": "2026-01-15T23:59:59Z"},
        {"name": "next day", "updated_at": "2026-01-16T00:00:00Z"},
    ]
    found = world(products=products, inventory=[{"recorded_at": "2026-01-20T00:00:00Z"}])
    versions = found["gold.dim_product"].select("product_sk", "name")
    facts = found["gold.fact_inventory_snapshot"].join(versions, "product_sk")
    assert [row.name for row in facts.collect()] == ["of the day"]


def test_corrected_and_repointed_snapshots_are_recomputed(world, recompute):
    def stock(day: str, on_hand: int, product_id: str = "P1") -> dict:
        return {"product_id": product_id, "snapshot_date": day, "quantity_on_hand": on_hand}

    products = [{"updated_at": "2026-01-01T00:00:00Z"}]
    before = world(
        products=products, inventory=[stock("2026-01-14", 1), stock("2026-01-15", 1), stock("2026-01-14", 5, "P2")]
    )
    after = world(
        products=[*products, {"name": "new", "updated_at": "2026-01-15T00:00:00Z"}],
        inventory=[stock("2026-01-14", 1), stock("2026-01-15", 1), stock("2026-01-14", 4, "P2")],
    )
    run = recompute("fact_inventory_snapshot", before, after)
    assert run.keys == [("S1", "P1", "2026-01-15"), ("S1", "P2", "2026-01-14")]
    assert run.equals_a_rebuild()
