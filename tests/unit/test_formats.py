"""Bytes to records, without Spark."""

import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retailflow.contracts import Column
from retailflow.raw import join_pages
from retailflow_spark.formats import BadFile, decode

REQUIRED_A = Column("a", "BIGINT", "", required=True)
OPTIONAL_B = Column("b", "BIGINT", "")


def records(payload: bytes, form: str, *columns: Column | str) -> list[dict]:
    wanted = tuple(Column(c, "STRING", "") if isinstance(c, str) else c for c in columns)
    return [row for batch in decode(payload, form, "orders", wanted) for row in batch.to_pylist()]


def read(payload: bytes, form: str, *columns: Column | str) -> list[str]:
    """The texts of the records that could be read."""
    return [row["_record"] for row in records(payload, form, *columns) if row["_corrupt_record"] is None]


def corrupt(payload: bytes, form: str, *columns: Column | str) -> list[str]:
    """The texts of those that could not."""
    return [row["_corrupt_record"] for row in records(payload, form, *columns) if row["_corrupt_record"] is not None]


def parquet(**columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def file_of(form: str, *names: str) -> bytes:
    """Two records in which each of these fields is 1."""
    line = "{" + ", ".join(f'"{name}": 1' for name in names) + "}"
    return {
        "json_pages": lambda: f'[{{"orders": [{line}]}}, {{"orders": [{line}]}}]'.encode(),
        "json_document": lambda: f'{{"orders": [{line}, {line}]}}'.encode(),
        "ndjson": lambda: f"{line}\n{line}\n".encode(),
        "ndjson_gzip": lambda: gzip.compress(f"{line}\n{line}\n".encode()),
        "csv": lambda: "".join(",".join(row) + "\n" for row in (names, "1" * len(names), "1" * len(names))).encode(),
        "parquet": lambda: parquet(**{name: pa.array([1, 1]) for name in names}),
    }[form]()


FORMS = ("json_pages", "json_document", "ndjson", "ndjson_gzip", "csv", "parquet")


def test_the_text_of_a_record_in_api_pages_is_exactly_what_the_page_said():
    pages = (
        b'{"orders": [ {"a": 1.50, "b":[1, 2]} ,{"a":"\\u00e9"}], "next_cursor": "x"}',
        b'{"next_cursor":null,"orders":[]}',
    )
    assert read(join_pages(list(pages)), "json_pages") == ['{"a": 1.50, "b":[1, 2]}', '{"a":"\\u00e9"}']


def test_a_document_gives_the_elements_of_the_entity_s_array():
    assert read(b'{"as_of": {"orders": [9]}, "orders": [{"x": 1}]}\n', "json_document") == ['{"x": 1}']


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
        (b'[{"orders":[' + b"[" * 100_000, "is not valid JSON"),
        (b'[{"orders":[{"a":' + b"1" * 5000 + b"}]}]", "is not valid JSON"),
    ],
    ids=range(9),
)
def test_api_pages_that_are_cut_or_renamed_fail_the_file_with_a_sentence(payload, said):
    with pytest.raises(BadFile, match=said.replace("[", r"\[")):
        records(payload, "json_pages")


@pytest.mark.parametrize("line", [b'{"b":\xff}', b'{"b":"\xff"}', b'{"b":1', b'{"b":1}{"c":2}', b"[1]", b"null", b"["])
def test_each_line_is_a_record_and_a_bad_one_spoils_no_other(line):
    payload = b'{"a":1}\n' + line + b'\n{"c":3}\n'
    assert read(payload, "ndjson") == ['{"a":1}', '{"c":3}']
    assert corrupt(payload, "ndjson") == [line.decode("utf-8", "backslashreplace")]


def test_a_gzip_file_that_was_cut_fails_and_never_gives_half_its_lines():
    whole = gzip.compress(b'{"a":1}\n' * 5000)
    assert len(records(whole, "ndjson_gzip")) == 5000
    for part in (b"", whole[: len(whole) // 2], b'{"a":1}\n'):
        with pytest.raises(BadFile, match="not a whole gzip file"):
            records(part, "ndjson_gzip")


@pytest.mark.parametrize("form", FORMS)
def test_a_field_that_no_contract_names_and_the_order_of_fields_change_nothing_else(form):
    rows = records(file_of(form, "new", "b", "a"), form, REQUIRED_A, OPTIONAL_B)
    assert [row["_missing_fields"] for row in rows] == [None, None]
    if form in ("csv", "parquet"):
        assert [(row["a"], row["b"]) for row in rows] == [("1", "1"), ("1", "1")]
        assert [row["_rescued_data"].replace('"1"', "1") for row in rows] == ['{"new": 1}', '{"new": 1}']


@pytest.mark.parametrize("form", FORMS)
def test_a_required_field_that_a_file_renamed_fails_it_with_what_it_has_instead(form):
    with pytest.raises(
        BadFile, match=r"lacks a, which the contract requires; it has b, A_ID\. If .* change the contract"
    ):
        records(file_of(form, "b", "A_ID"), form, REQUIRED_A, OPTIONAL_B)


@pytest.mark.parametrize("form", FORMS)
def test_optional_fields_that_a_file_lacks_are_named_beside_each_record(form):
    rows = records(file_of(form, "a"), form, REQUIRED_A, OPTIONAL_B, "c")
    assert [row["_missing_fields"] for row in rows] == ["b, c", "b, c"]


def test_one_json_record_alone_says_nothing_of_the_feed():
    rows = records(b'{"b": 1}\nno json\n', "ndjson", REQUIRED_A, OPTIONAL_B, "c")
    assert [row["_missing_fields"] for row in rows] == [None, None]


def test_csv_columns_are_found_by_name_and_an_unknown_one_is_rescued():
    assert records(b'b,new,a\n"x,\ny",7,\n', "csv", "a", "b") == [
        {"a": None, "b": "x,\ny", "_rescued_data": '{"new": "7"}', "_corrupt_record": None, "_missing_fields": None}
    ]


@pytest.mark.parametrize(
    ("row", "kept"), [(b"1,2,3", "1,2,3"), (b"1", "1"), (b"1,caf\xe9", "1,caf\\xe9"), (b'1,"x\xff,"', '1,"x\\xff,"')]
)
def test_a_csv_row_that_cannot_be_read_is_kept_as_it_came_and_spoils_no_other(row, kept):
    payload = b"a,b\n3,\xc3\xa9\n" + row + b"\n5,6\n"
    assert corrupt(payload, "csv", "a", "b") == [kept]
    assert [(r["a"], r["b"]) for r in records(payload, "csv", "a", "b")] == [("3", "é"), (None, None), ("5", "6")]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "at least its header"),
        (b"a,caf\xe9\n1,2\n", "has a header that is not UTF-8"),
        (b"a,a\n1,2\n", "has the column a more than once"),
        (b'a,b\n1,"' + b"x" * 200_000, "is not valid CSV: field larger than field limit"),
    ],
    ids=range(4),
)
def test_a_csv_file_that_cannot_be_read_fails_with_a_sentence(payload, said):
    with pytest.raises(BadFile, match=said):
        records(payload, "csv", "a")


def test_parquet_values_become_text_without_loss():
    columns = {
        "price": pa.array([Decimal("0.1000")], pa.decimal128(18, 4)),
        "at": pa.array([datetime(2026, 1, 15, 23, 59, 59, 999999, UTC)], pa.timestamp("us", "UTC")),
        "count": pa.array([9007199254740993], pa.int64()),
    }
    row = records(parquet(**columns), "parquet", *columns)[0]
    assert (row["price"], row["at"], row["count"]) == ("0.1000", "2026-01-15T23:59:59.999999Z", "9007199254740993")


@pytest.mark.parametrize(
    "payload",
    [b"", b"PAR1", parquet(a=pa.array(["1"]))[:-20], parquet(a=pa.array([b"\xff"]).view(pa.string()))],
    ids=["empty", "cut", "without its end", "not UTF-8"],
)
def test_a_parquet_file_that_cannot_be_read_fails_with_a_sentence(payload):
    with pytest.raises(BadFile, match="is not a Parquet file that can be read"):
        records(payload, "parquet", "a")


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ("STRING", pa.array([7])),  # its leading zeros are gone
        ("BIGINT", pa.array([7.0])),
        ("DATE", pa.array([datetime(2026, 1, 15)])),
        ("TIMESTAMP", pa.array([1_768_435_200_000_000])),
        ("TIMESTAMP", pa.array([datetime(2026, 1, 15)])),  # without a time zone
        ("DECIMAL(18,4)", pa.array([0.1])),
    ],
)
def test_a_required_parquet_column_of_another_type_fails_and_an_optional_one_is_judged_by_its_text(asked, values):
    with pytest.raises(BadFile, match=rf"has a as {values.type}".replace("[", r"\[") + "; the contract requires it as"):
        records(parquet(a=values), "parquet", Column("a", asked, "", required=True))
    assert [row["_corrupt_record"] for row in records(parquet(a=values), "parquet", Column("a", asked, ""))] == [None]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([datetime(2026, 1, 15)]), "2026-01-15T00:00:00.000000"),
        (pa.array([datetime(2026, 1, 15)], pa.timestamp("ns", "Europe/Berlin")), "2026-01-15T00:00:00.000000000Z"),
        (pa.array([[{"x": 1}]]), '[{"x": 1}]'),
        (pa.array(["7"]).dictionary_encode(), "7"),
    ],
)
def test_parquet_types_that_no_contract_has_become_text_as_well(values, text):
    assert [row["a"] for row in records(parquet(a=values), "parquet", "a")] == [text]
