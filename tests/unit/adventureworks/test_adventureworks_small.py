"""The converter and its oracle on a handful of rows, good and bad."""

import json
from datetime import date
from decimal import Decimal

import pytest

from retailflow.contracts import feeds
from retailflow_local.adventureworks import AdventureWorks
from retailflow_local.adventureworks.oracle import Amounts, Source, compare, source_totals
from retailflow_local.adventureworks.zones import zone_of
from retailflow_local.errors import WorkspaceError

DAY = date(2017, 1, 2)
ALL_FEEDS = sorted(feed.name for feed in feeds())


def delivered(store, feed, day=DAY):
    """The records of an feed's one JSON file."""
    (document,) = [json.loads(store.read(name)) for name in store.names(f"{feed}/ingestion_date={day}/batch_")]
    return document[feed] if isinstance(document, dict) else document[0][feed]


def test_two_customers_of_one_order_number_have_two_orders(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    assert [order["order_id"] for order in delivered(store, "orders")] == ["SO1-7", "SO1-8"]


def test_an_order_has_the_price_of_its_product_and_nothing_invented(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    assert delivered(store, "orders")[0] == {
        "order_id": "SO1-7",
        "customer_id": "7",
        "ordered_at": "2017-01-02T12:00:00Z",
        "updated_at": "2017-01-02T12:00:00Z",
        "status": "delivered",
        "currency": "USD",
        "shipping": {
            "amount": None,
            "method": None,
            "address": {"country": "ZZ", "region": None, "city": None, "postal_code": None},
        },
        "coupon_codes": [],
        "lines": [
            {
                "line_number": 1,
                "product_id": "10",
                "quantity": 2,
                "unit_price": "2.3456",
                "discount_amount": None,
                "tax_amount": None,
            }
        ],
    }


def test_records_that_break_the_contract_reach_raw_unchanged(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    _, broken = delivered(store, "orders")
    assert [(line["quantity"], line["unit_price"]) for line in broken["lines"]] == [
        (3, "2.3456"),
        (1, None),
        ("many", "2.3456"),
    ]
    assert [customer["birth_date"] for customer in delivered(store, "customers")] == ["1966-04-08", "31/31/1966"]


def test_names_keep_their_letters_and_an_empty_one_is_null(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    assert [(c["customer_id"], c["last_name"]) for c in delivered(store, "customers")] == [("7", "MUÑOZ"), ("8", None)]


def test_every_feed_is_complete_even_where_there_is_nothing(store, small_folder):
    notes = AdventureWorks(small_folder).deliver_day(store, DAY, first=False)
    assert store.names("") and [p.split("/")[0] for p in store.names("") if p.endswith("/_SUCCESS")] == ALL_FEEDS
    assert {feed: sum(f.records for m in store.manifests(feed, DAY) for f in m.files) for feed in ALL_FEEDS} == {
        **dict.fromkeys(ALL_FEEDS, 0),
        "orders": 2,
        "products": 1,
    }
    assert notes[3] == "stores 2017-01-02: empty, since adventureworks_oltp is not there"


def test_delivering_a_day_again_changes_nothing(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    before = dict(store.blobs)
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    assert store.blobs == before


def test_a_day_loaded_without_its_customers_can_be_given_them_later(store, small_folder):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=False)
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    assert sum(file.records for batch in store.manifests("customers", DAY) for file in batch.files) == 2


def test_a_missing_folder_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(WorkspaceError, match="point --source at the folder adventureworks_sales"):
        AdventureWorks(tmp_path / "nowhere")


def test_an_order_line_without_a_day_is_refused_with_its_place(small_folder):
    path = small_folder / "AdventureWorks_Sales_2017.csv"
    path.write_text(path.read_text().replace("\n1/2/2017", "\n13/2/2017", 1))
    with pytest.raises(WorkspaceError, match=r"Sales_2017\.csv, record 3: OrderDate '13/2/2017' is not M/D/Y"):
        AdventureWorks(small_folder)


def test_a_row_with_a_field_too_many_is_refused_with_its_place(small_folder):
    path = small_folder / "AdventureWorks_Sales_2017.csv"
    path.write_text(path.read_text().replace("1,2\n", "1,2,3\n"))
    with pytest.raises(WorkspaceError, match=r"Sales_2017\.csv, record 1: the number of fields differs"):
        AdventureWorks(small_folder)


def test_the_oracle_counts_what_can_be_read(small_folder):
    source = source_totals(small_folder, DAY, DAY)
    assert (source.order_count, source.line_count) == (2, 4)
    assert source.amounts == {(DAY, "unknown"): Amounts(2, 5, Decimal("11.7280"))}


@pytest.mark.parametrize("kept", [lambda lines: lines, json.dumps])
def test_mart_and_quarantine_make_up_the_source(store, small_folder, kept):
    AdventureWorks(small_folder).deliver_day(store, DAY, first=True)
    _, broken = delivered(store, "orders")
    mart = [{"business_date": DAY, "category": "unknown", "order_count": 1, "unit_count": 2, "net_amount": "4.6912"}]
    comparison = compare(mart, [broken | {"lines": kept(broken["lines"])}], source_totals(small_folder, DAY, DAY))
    assert comparison.total.quarantined == Amounts(1, 3, Decimal("7.0368"))
    assert comparison.is_exact


def test_an_order_in_neither_is_a_difference_to_the_last_digit():
    source = Source({(DAY, "Bikes"): Amounts(1, 1, Decimal("10.0001"))}, order_count=1, line_count=1)
    mart = [{"business_date": DAY, "category": "Bikes", "order_count": 1, "unit_count": 1, "net_amount": "10.0000"}]
    comparison = compare(mart, [], source)
    assert not comparison.is_exact
    assert comparison.total.difference == Amounts(0, 0, Decimal("0.0001"))


def test_revenue_under_the_wrong_category_is_a_difference_though_the_total_agrees():
    source = Source({(DAY, "Bikes"): Amounts(1, 1, Decimal("10"))}, order_count=1, line_count=1)
    mart = [{"business_date": DAY, "category": "Clothing", "order_count": 1, "unit_count": 1, "net_amount": "10"}]
    comparison = compare(mart, [], source)
    assert comparison.total.difference == Amounts() and not comparison.is_exact


@pytest.mark.parametrize(
    ("country", "state", "zone"),
    [
        ("US", "WA", "America/Los_Angeles"),
        ("AU", "WA", "Australia/Perth"),
        ("GB", "ENG", "Europe/London"),
        ("US", "ZZ", None),
        ("ZZ", None, None),
    ],
)
def test_a_time_zone_is_read_off_the_address_or_left_open(country, state, zone):
    assert zone_of(country, state) == zone
