"""The JSON schemas for producers accept a day's valid records and refuse those that would be quarantined."""

from collections import Counter
from datetime import date

import pytest
from jsonschema import Draft202012Validator

from retailflow.contracts import feed_contract, feeds
from retailflow_delivery.schemas import outputs, schema
from retailflow_local.simulator.trouble import Cut, Trouble, delivered
from retailflow_local.simulator.world import ALL_FEEDS, World
from retailflow_local.workspace import REPOSITORY

DAY, WORLD = date(2026, 1, 15), World(scale=0.05)
PLENTY = Trouble(duplicates=0.03, resends=0.02, late=0.04, corrections=0.03, bad=0.05, new_columns=True)


def as_sent(name: str, record: dict) -> dict:
    """Return a record as it is sent: a CSV field as text or null, Parquet's dates and decimals as text."""
    if feed_contract(name).format == "csv":
        return {field: None if value is None or value == "" else _cell(value) for field, value in record.items()}
    if feed_contract(name).format == "parquet":
        return {
            field: value if value is None or isinstance(value, int) else _text(value) for field, value in record.items()
        }
    return record


def _cell(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def verdicts(name: str, trouble: Trouble) -> Counter:
    """Count the records by kind and by whether the schema accepts them. Cut lines cannot be read and are left out."""
    validator = Draft202012Validator(schema(feed_contract(name)))
    records = [one for one in delivered(WORLD, name, DAY, trouble) if not isinstance(one[1], Cut)]
    return Counter((kind, validator.is_valid(as_sent(name, record))) for kind, record in records)


def test_the_files_are_what_the_contracts_say_now():
    for path, text in outputs(REPOSITORY).items():
        assert path.read_text() == text, f"{path.name}: run ./retailflow contracts schemas"
    assert len(list((REPOSITORY / "docs" / "schemas").iterdir())) == len(feeds())


@pytest.mark.parametrize("name", ALL_FEEDS)
def test_the_schema_is_a_valid_json_schema(name):
    Draft202012Validator.check_schema(schema(feed_contract(name)))


@pytest.mark.parametrize("name", ALL_FEEDS)
def test_every_good_record_of_a_day_is_taken(name):
    found = verdicts(name, Trouble.none())
    assert set(found) == {("sound", True)}


@pytest.mark.parametrize("name", ALL_FEEDS)
def test_exactly_the_bad_records_of_a_day_are_refused(name):
    found = verdicts(name, PLENTY)
    assert {kind: is_valid for kind, is_valid in found if kind.startswith("bad.")}, "no bad record was planted"
    assert {(kind, is_valid) for kind, is_valid in found if is_valid == kind.startswith("bad.")} == set()


def test_a_rule_that_compares_fields_is_described_in_words():
    assert schema(feed_contract("store_sales"))["$comment"] == (
        "Refused too where discount_amount does not have the sign of quantity; "
        "tax_amount does not have the sign of quantity."
    )
    assert "$comment" not in schema(feed_contract("stores"))


@pytest.mark.parametrize(
    ("price", "is_valid"),
    [("12.3456", True), ("0", True), ("9999999", True), ("12.34567", False), ("-1", False), ("10000000", False),
     ("12,50", False), (12.5, False), (None, False)],
)  # fmt: skip
def test_a_price_is_a_decimal_in_text(price, is_valid):
    line = {"product_id": "P1", "quantity": 1, "unit_price": price}
    lines = Draft202012Validator(schema(feed_contract("orders"))["properties"]["lines"])
    assert lines.is_valid([line]) is is_valid
