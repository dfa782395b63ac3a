def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("dim_store")


def test_the_web_shop_and_the_unknown_store_are_members(world):
    stores = [{"store_id": "S1", "timezone": "Europe/Berlin", "closed_on": "2026-01-31"}]
    assert world(stores=stores).rows("dim_store", "store_id", "name", "timezone", "closed_on") == [
        ("S1", "Main street", "Europe/Berlin", "2026-01-31"),
        ("online", "online", "UTC", None),
        ("unknown", "unknown", "UTC", None),
    ]


def test_a_source_row_cannot_take_a_members_place(world):
    stores = [{"store_id": "online", "timezone": "Asia/Tokyo"}]
    assert world(stores=stores).rows("dim_store", "store_id", "timezone") == [("online", "UTC"), ("unknown", "UTC")]


def test_a_changed_store_is_the_only_one_recomputed(world, recompute):
    before = world(stores=[{"store_id": "S1"}, {"store_id": "S2"}])
    run = recompute("dim_store", before, world(stores=[{"store_id": "S1"}, {"store_id": "S2", "name": "Moved"}]))
    assert run.keys == [("S2",)]
    assert run.equals_a_rebuild()
