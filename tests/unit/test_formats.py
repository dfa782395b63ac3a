"""Bytes to records, without Spark."""

import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retailflow.raw import join_pages
from retailflow_spark.formats import BadFile, decode


def records(payload: bytes, form: str, columns: tuple[str, ...] = (), required: frozenset[str] = frozenset()) -> list:
    batches = list(decode(payload, form, "orders", columns, required))
    return [row for batch in batches for row in batch.to_pylist()]


def test_the_text_of_a_record_in_api_pages_is_exactly_what_the_page_said():
    pages = (
        b'{"orders": [ {"a": 1.50, "b":[1, 2]} ,{"a":"\\u00e9"}], "next_cursor": "x"}',
        b'{"next_cursor":null,"orders":[]}',
    )
    payload = join_pages(list(pages))
    assert records(payload, "json_pages") == [{"_record": '{"a": 1.50, "b":[1, 2]}'}, {"_record": '{"a":"\\u00e9"}'}]


def test_a_document_gives_the_elements_of_the_entity_s_array():
    assert records(b'{"as_of": {"orders": [9]}, "orders": [{"x": 1}]}\n', "json_document") == [{"_record": '{"x": 1}'}]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "'[' expected at character 0"),
        (b'[{"orders":[{}]', "',' expected"),
        (b'[{"orders":[{}],}]', "not valid JSON"),
        (b'[{"orders":[{"a":]}]', "not valid JSON"),
        (b'[{"order":[{}]}]', "has no array 'orders'"),
        (b'[{"orders":[]}] x', "more text after its end"),
        (b'[{"orders":["\xff"]}]', "is not UTF-8"),
    ],
)
def test_api_pages_that_are_cut_or_renamed_fail_the_file_with_a_sentence(payload, said):
    with pytest.raises(BadFile, match=said.replace("[", r"\[")):
        records(payload, "json_pages")


def test_each_line_is_a_record_and_a_bad_byte_spoils_only_its_own_line():
    assert [row["_record"] for row in records(b'{"a":1}\n{"b":\xff}\n{"c":3}\n', "ndjson")] == [
        '{"a":1}',
        '{"b":\\xff}',
        '{"c":3}',
    ]


def test_a_gzip_file_that_was_cut_fails_and_never_gives_half_its_lines():
    whole = gzip.compress(b'{"a":1}\n' * 5000)
    assert len(records(whole, "ndjson_gzip")) == 5000
    with pytest.raises(BadFile, match="not a whole gzip file"):
        records(whole[: len(whole) // 2], "ndjson_gzip")


def test_csv_columns_are_found_by_name_and_an_unknown_one_is_rescued():
    assert records(b'b,new,a\n"x,\ny",7,\n', "csv", ("a", "b")) == [
        {"a": None, "b": "x,\ny", "_rescued_data": '{"new": "7"}', "_corrupt_record": None}
    ]


def test_a_csv_row_with_a_wrong_number_of_fields_is_kept_as_it_came():
    assert records(b"a,b\n1,2,3\n", "csv", ("a", "b")) == [
        {"a": None, "b": None, "_rescued_data": None, "_corrupt_record": "1,2,3"}
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_without_a_required_column_fails_with_its_name(form):
    sink = io.BytesIO()
    pq.write_table(pa.table({"b": ["1"]}), sink)
    payload = b"b\n1\n" if form == "csv" else sink.getvalue()
    with pytest.raises(BadFile, match="lacks the column a; it has b"):
        records(payload, form, ("a", "b"), frozenset({"a"}))
    assert [row["a"] for row in records(payload, form, ("a", "b"))] == [None]


def test_parquet_values_become_text_without_loss():
    sink = io.BytesIO()
    columns = {
        "price": pa.array([Decimal("0.1000")], pa.decimal128(18, 4)),
        "at": pa.array([datetime(2026, 1, 15, 23, 59, 59, 999999, UTC)], pa.timestamp("us", "UTC")),
        "count": pa.array([9007199254740993], pa.int64()),
    }
    pq.write_table(pa.table(columns), sink)
    row = records(sink.getvalue(), "parquet", ("price", "at", "count"))[0]
    assert (row["price"], row["at"], row["count"]) == ("0.1000", "2026-01-15T23:59:59.999999Z", "9007199254740993")


def test_an_empty_csv_or_a_broken_parquet_file_fails():
    with pytest.raises(BadFile, match="at least its header"):
        records(b"", "csv", ("a",))
    with pytest.raises(BadFile, match="not a Parquet file"):
        records(b"PAR1", "parquet", ("a",))
