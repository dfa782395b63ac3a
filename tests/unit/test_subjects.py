"""Whose record it is: ids of any form are found, and no other person's record is taken."""

from datetime import UTC, datetime

import pytest

from retailflow.contracts import feed_contract
from retailflow_spark.privacy.requests import visitor_column
from retailflow_spark.privacy.subjects import Found, Record, Subjects, digest, is_placeholder, texts_in

IDS = ("C.1001", "max@mail.de", "Kä-7", "12/34", "C 12 B", "C-1001", "a_b")
BEFORE, ASKED, AFTER = (datetime(2026, 1, day, tzinfo=UTC) for day in (14, 15, 16))


def of(*ids: str, browsers: tuple[str, ...] = ()) -> Subjects:
    return Subjects(frozenset(map(digest, ids)), dict.fromkeys(map(digest, browsers), ASKED))


def record(customer: str | None = None, visitor: str | None = None, moment: datetime = BEFORE, **texts) -> Record:
    return Record(customer, visitor, moment, **texts)


@pytest.mark.parametrize("one", IDS)
def test_an_id_of_any_form_is_found_in_unknown_and_in_unreadable_text(one):
    subjects = of(one)
    escaped = one.encode("ascii", "backslashreplace").decode().replace("\\xe4", "\\u00e4")
    texts = (
        *(f'{{"customerId": "{one}", "na', f'{{"customerId": "{escaped}"'),
        *(f"R1,{one},2026", f'R1;"{one}";x', f'"{one}"', one),
    )
    for text in texts:
        assert subjects.fate(record(unreadable=text)) is Found.BY_TEXT, text
        longer = text.replace(one, f"{one}x").replace(escaped, f"{escaped}x")
        assert subjects.fate(record(unreadable=longer)) is None, longer
    for text in (f'{{"user": {{"ids": ["{one}"]}}}}', f'{{"{one}": 1}}'):
        assert subjects.fate(record(unknown=tuple(texts_in(text)))) is Found.BY_TEXT, text
        assert subjects.fate(record("C2", unknown=tuple(texts_in(text)))) is Found.MENTIONED


def test_a_record_is_theirs_by_its_own_id_whatever_white_space_is_around_it():
    assert of("C1").fate(record(" C1\n")) is Found.BY_ID
    assert of("C1").fate(record("C10")) is None


def test_a_browser_is_theirs_only_where_no_customer_is_named_and_before_the_request():
    subjects = of("C1", browsers=("A1",))
    assert subjects.fate(record(None, "A1")) is Found.BY_BROWSER
    assert subjects.fate(record(" ", "A1")) is Found.BY_BROWSER
    assert subjects.fate(record("C2", "A1")) is None
    assert subjects.fate(record(None, "A1", AFTER)) is None
    assert subjects.fate(record(None, "")) is None


def test_a_short_number_is_no_word():
    """An order of 12 pieces mentions no person."""
    subjects = of("12")
    assert subjects.fate(record(unreadable="R1,12,12.00")) is None
    assert subjects.fate(record(unreadable='{"id": "12"')) is Found.BY_TEXT
    assert subjects.fate(record("C2", unknown=("call 12 times",))) is None
    assert subjects.fate(record(unknown=("12",))) is Found.MENTIONED


def test_only_the_texts_that_the_contract_names_are_read_from_nested_columns():
    lines = next(column for column in feed_contract("orders").feed_columns if column.name == "lines")
    text = '[{"line_number": 12, "product_id": "P1", "note": "x"}, null]'
    assert list(texts_in(text, lines.fields)) == ["P1"]
    assert list(texts_in(text)) == ["line_number", "12", "product_id", "P1", "note", "x"]


@pytest.mark.parametrize("text", ["", " ", "0", "00000000-0000-0000-0000-000000000000", "Unknown", "NULL", "n/a"])
def test_the_text_that_a_source_writes_for_no_browser_is_a_placeholder(text):
    assert is_placeholder(text, visitor_column(feed_contract("clickstream")))


def test_a_browser_is_no_placeholder():
    assert not is_placeholder("A-100", visitor_column(feed_contract("clickstream")))
