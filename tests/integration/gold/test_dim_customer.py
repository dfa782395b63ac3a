COLUMNS = ("customer_id", "email", "is_deleted", "valid_from", "valid_to", "is_current")
UNKNOWN = ("unknown", None, "false", "0001-01-01 00:00:00", "9999-12-31 00:00:00", "true")


def version(day: str, email: str | None = None, **more) -> dict:
    return {"updated_at": f"2026-01-{day}T00:00:00Z", "email": email, **more}


HISTORY = [
    version("01", "a"),
    version("05", "b"),
    version("09", "b", deleted_at="2026-01-09T00:00:00Z"),
    version("12", "c"),
]


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("dim_customer")


def test_intervals_have_no_gap_and_a_deletion_starts_one_whatever_order_the_versions_come_in(world):
    expected = [
        ("C1", "a", "false", "0001-01-01 00:00:00", "2026-01-05 00:00:00", "false"),
        ("C1", "b", "false", "2026-01-05 00:00:00", "2026-01-09 00:00:00", "false"),
        ("C1", "b", "true", "2026-01-09 00:00:00", "2026-01-12 00:00:00", "false"),
        ("C1", "c", "false", "2026-01-12 00:00:00", "9999-12-31 00:00:00", "true"),
        UNKNOWN,
    ]
    assert world(customers=HISTORY).rows("dim_customer", *COLUMNS) == expected
    assert world(customers=HISTORY[::-1]).rows("dim_customer", *COLUMNS) == expected


def test_versions_that_change_nothing_tracked_collapse_and_a_null_is_a_value(world):
    empty_address = {"country": None, "region": None, "city": None, "postal_code": None}
    customers = [
        version("01", created_at="2026-01-01T00:00:00Z"),
        version("02", created_at="2025-12-31T00:00:00Z"),
        version("03", address=empty_address),
        version("04", "a"),
        version("05", "a"),
        version("06", None),
    ]
    assert world(customers=customers).rows("dim_customer", "email", "valid_from")[:3] == [
        (None, "0001-01-01 00:00:00"),
        (None, "0001-01-01 00:00:00"),  # the unknown member
        (None, "2026-01-06 00:00:00"),
    ]
    assert world(customers=customers).rows("dim_customer", "email", "valid_from")[3:] == [("a", "2026-01-04 00:00:00")]


def test_the_surrogate_key_follows_from_key_and_start_alone(world):
    customers = [version("01", "a"), version("05", "b")]
    assert world(customers=customers).rows("dim_customer", "customer_sk", "email") == [
        ("00000000000000000000000000000000", None),
        # md5 of 'C1|1767571200000000' and 'C1|-62135596800000000': microseconds since 1970
        ("62ce30941527a0ef08873f46a10b8e07", "b"),
        ("7c584267012a303df9f0fc5216cfca31", "a"),
    ]


def test_a_late_version_recomputes_its_customer_only(world, recompute):
    other = {**version("02", "z"), "customer_id": "C2"}
    before = world(customers=[version("01", "a"), version("09", "b"), other])
    run = recompute(
        "dim_customer", before, world(customers=[version("01", "a"), version("04", "x"), version("09", "b"), other])
    )
    assert run.keys == [("C1",)]
    assert run.equals_a_rebuild()


def test_the_first_build_adds_the_unknown_member_without_any_source_row(world):
    from retailflow_spark.gold import dim_customer

    nothing = world()
    tables = {**nothing.sources("dim_customer"), "gold.dim_customer": nothing.empty("gold.dim_customer")}
    assert [row.customer_id for row in dim_customer.affected_keys(tables, tables).collect()] == ["unknown"]
    built = {**tables, "gold.dim_customer": nothing["gold.dim_customer"]}
    assert dim_customer.affected_keys(tables, built).collect() == []
