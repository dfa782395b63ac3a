"""Bytes to records, without Spark."""

import gzip
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retailflow.contracts import Column, feed_contract
from retailflow.manifests import Manifest, RawFile, ulid
from retailflow.raw import join_pages
from retailflow_spark.bronze.decode import decode
from retailflow_spark.bronze.encoding import NOT_UTF8, BadFile
from retailflow_spark.bronze.load import read_day

REQUIRED_A = Column("a", "BIGINT", "", required=True)
OPTIONAL_A, OPTIONAL_B = Column("a", "BIGINT", ""), Column("b", "BIGINT", "")


def records(payload: bytes, form: str, *columns: Column | str) -> list[dict]:
    wanted = tuple(Column(c, "STRING", "") if isinstance(c, str) else c for c in columns)
    return [row for batch in decode(payload, form, "orders", wanted) for row in batch.to_pylist()]


def read(payload: bytes, form: str, *columns: Column | str) -> list[dict]:
    """Return these columns of the readable records."""
    names = [column if isinstance(column, str) else column.name for column in columns]
    found = records(payload, form, *columns)
    return [{name: row[name] for name in names} for row in found if row["_corrupt_record"] is None]


def corrupt(payload: bytes, form: str, *columns: Column | str) -> list[tuple[str, str]]:
    """Return the text of each unreadable record, and the reason."""
    found = records(payload, form, *columns)
    return [(row["_corrupt_record"], row["_corrupt_reason"]) for row in found if row["_corrupt_record"] is not None]


def parquet(**columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def file_of(form: str, *names: str, count: int = 2) -> bytes:
    """Return a file of `count` records in which each of these fields is 1."""
    line = "{" + ", ".join(f'"{name}": 1' for name in names) + "}"
    listed = ", ".join([line] * (count - 1))
    return {
        "json_pages": lambda: f'[{{"orders": [{line}]}}, {{"orders": [{listed}]}}]'.encode(),
        "json_document": lambda: f'{{"orders": [{line}, {listed}]}}'.encode(),
        "ndjson": lambda: f"{line}\n".encode() * count,
        "ndjson_gzip": lambda: gzip.compress(f"{line}\n".encode() * count),
        "csv": lambda: "".join(",".join(row) + "\n" for row in (names, *["1" * len(names)] * count)).encode(),
        "parquet": lambda: parquet(**{name: pa.array([1] * count) for name in names}),
    }[form]()


FORMS = ("json_pages", "json_document", "ndjson", "ndjson_gzip", "csv", "parquet")


LINES = Column(
    "lines", "ARRAY<STRUCT<id: STRING, price: DECIMAL(18,4)>>", "",
    fields=(Column("id", "STRING", "", required=True), Column("price", "DECIMAL(18,4)", "")),
)  # fmt: skip
SHIPPING = Column(
    "shipping", "STRUCT<address: STRUCT<city: STRING>, method: STRING>", "",
    fields=(
        Column("address", "STRUCT<city: STRING>", "", fields=(Column("city", "STRING", ""),)),
        Column("method", "STRING", ""),
    ),
)  # fmt: skip
TAGS = Column("tags", "ARRAY<STRING>", "")


def test_values_of_api_pages_keep_their_exact_text():
    pages = (
        b'{"orders": [ {"a": 1.50, "b":[1, 2.0]} ,{"a":"\\u00e9\\n", "b":null}], "next_cursor": "x"}',
        b'{"next_cursor":null,"orders":[{"a": true}, {"a": 10000000.5}, {"a": 1E+2}]}',
    )
    assert read(join_pages(list(pages)), "json_pages", "a", TAGS) == [
        {"a": text, "tags": None} for text in ("1.50", "\u00e9\n", "true", "10000000.5", "1E+2")
    ]
    assert read(b'{"tags": [1, 2 ,"x"]}\n', "ndjson", TAGS) == [{"tags": '[1, 2 ,"x"]'}]


def test_a_number_in_the_place_of_a_nested_text_keeps_its_digits():
    payload = b'{"tags": [2.0, -0], "shipping": {"address": {"city": 1.50}, "method": 12}}\n{"tags": [1e2, true]}'
    assert read(payload, "ndjson", TAGS, SHIPPING) == [
        {"tags": '["2.0","-0"]', "shipping": '{"address":{"city":"1.50"},"method":12}'},
        {"tags": '["1e2",true]', "shipping": None},
    ]
    assert read(b'{"lines": [{"id": "a", "price": 1.50}]}', "ndjson", LINES) == [
        {"lines": '[{"id": "a", "price": 1.50}]'}
    ]


def test_a_nested_number_that_a_double_would_change_is_kept_as_text():
    payload = b'{"lines": [{"id": "a", "price": 99999999999999.9999}, {"id": "1234567890123456", "price": 1.5e3}]}'
    assert read(payload, "ndjson", LINES) == [
        {
            "lines": '[{"id":"a","price":"99999999999999.9999"},{"id":"1234567890123456","price":"1.5e3"}]',
        }
    ]


def test_a_document_gives_the_elements_of_the_feed_s_array():
    assert read(b'{"as_of": {"orders": [9]}, "orders": [{"x": 1}]}\n', "json_document", "x") == [{"x": "1"}]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "is not valid JSON near byte 0"),
        (b'[{"orders":[{}]', "is not valid JSON near byte 15"),
        (b'[{"orders":[{}],}]', "is not valid JSON near byte 16"),
        (b'[{"orders":[{"a":]}]', "is not valid JSON near byte"),
        (b'[{"order":[{}]}]', "has no array 'orders'"),
        (b'[{"orders":{}}]', "has no array 'orders'"),
        (b'[{"orders":[],"orders":[]}]', "has a name twice in the object around its records"),
        (b'[{"orders":[{"a":NaN}],"orders":[]}]', "has a name twice in the object around its records"),
        (b'[{"orders":[]}] x', "is not valid JSON near byte 16"),
        (b'[{"orders":["\xff"]}]', "is not UTF-8 from byte 13 on; it seems to be Windows-1252"),
        ('[{"orders":[]}]'.encode("utf-16"), "is not UTF-8 text; it seems to be UTF-16"),
        ('[{"orders":[]}]'.encode("utf-16-le"), "is not UTF-8 text; it seems to be UTF-16 or UTF-32"),
        (b'[{"orders":[' + b"[" * 100_000, "is not valid JSON near byte"),
    ],
    ids=range(13),
)  # fmt: skip
def test_api_pages_that_are_cut_or_renamed_fail_the_file_with_a_sentence(payload, said):
    with pytest.raises(BadFile, match=said):
        records(payload, "json_pages", "a")


BAD_RECORDS = [
    (b'{"a":NaN}', "the record is not valid JSON (RFC 8259)"),
    (b'{"a":-Infinity}', "the record is not valid JSON (RFC 8259)"),
    (b'{"a":01}', "the record is not valid JSON (RFC 8259)"),
    (b'{"a":"\x01"}', "the record is not valid JSON (RFC 8259)"),
    (b'{"a":"\\x"}', "the record is not valid JSON (RFC 8259)"),
    (b"{'a':1}", "the record is not valid JSON (RFC 8259)"),
    (b'{"a":1,"a":1}', "an object of the record has a name twice"),
    (b'{"a":1,"\\u0061":1}', "an object of the record has a name twice"),
    (b'{"lines":[{"id":"a","id":"b"}]}', "an object of the record has a name twice"),
    (b'{"shipping":{"address":{"city":"a","city":"a"}}}', "an object of the record has a name twice"),
    (b'{"unknown":[[{"x":1,"x":1}]]}', "an object of the record has a name twice"),
    (b"[1]", "the record is not a JSON object"),
    (b"null", "the record is not a JSON object"),
    (b'"a"', "the record is not a JSON object"),
    (b'{"a":"\\ud800"}', "the record has half of a surrogate pair"),
    (b'{"lines":[{"id":"\\uDC00"}]}', "the record has half of a surrogate pair"),
    (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", "the record is nested too deeply"),
    (b'{"a":{"x":1}}', "a is a JSON object or array, not a value"),
    (b'{"a":[]}', "a is a JSON object or array, not a value"),
    (b'{"tags":["x",{}]}', "tags[] is a JSON object or array, not a value"),
    (b'{"tags":"x"}', "tags is not a JSON array"),
    (b'{"lines":{"id":"a"}}', "lines is not a JSON array"),
    (b'{"lines":[5]}', "lines[] is not a JSON object"),
    (b'{"lines":[{"id":[1]}]}', "lines[].id is a JSON object or array, not a value"),
    (b'{"shipping":[1]}', "shipping is not a JSON object"),
    (b'{"shipping":{"address":"Main Street"}}', "shipping.address is not a JSON object"),
    (b'{"shipping":{"method":{}}}', "shipping.method is a JSON object or array, not a value"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_RECORDS, ids=range(len(BAD_RECORDS)))
@pytest.mark.parametrize("form", ["json_pages", "json_document", "ndjson", "ndjson_gzip"])
def test_a_record_that_cannot_be_read_spoils_no_other(form, text, reason):
    listed = b'{"orders": [{"a":1},' + text + b',{"a":3}]}'
    lines = b'{"a":1}\n' + text + b'\n{"a":3}\n'
    payload = {
        "json_pages": b"[" + listed + b"]",
        "json_document": listed,
        "ndjson": lines,
        "ndjson_gzip": gzip.compress(lines),
    }[form]
    columns = ("a", LINES, SHIPPING, TAGS)
    assert [row["a"] for row in read(payload, form, *columns)] == ["1", "3"]
    assert corrupt(payload, form, *columns) == [(text.decode(), reason)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"b":"\xff"}', "the record is not UTF-8; it seems to be Windows-1252 or another single-byte encoding"),
        (b'{"b":1', "the record is not valid JSON (RFC 8259)"),
        (b'{"b":1}{"c":2}', "the record is not valid JSON (RFC 8259)"),
        (b"", "the record is not valid JSON (RFC 8259)"),
        (b"[", "the record is not a JSON object"),
    ],
)
def test_each_line_is_a_record_and_a_bad_one_spoils_no_other(line, reason):
    payload = b'{"a":1}\n' + line + b'\n{"a":3}\n'
    assert read(payload, "ndjson", "a") == [{"a": "1"}, {"a": "3"}]
    assert corrupt(payload, "ndjson", "a") == [(line.decode("utf-8", "backslashreplace"), reason)]


def test_names_with_quotes_are_no_repeated_names():
    assert records(b'{"a\\"b": "c\\"d", "a": "\\""}', "ndjson", "a")[0]["_rescued_data"] == '{"a\\"b":"c\\"d"}'


def test_blank_lines_are_records_only_where_the_manifest_counts_them():
    def texts(expected: int) -> list:
        batches = decode(b'{"a":1}\n\n{"a":2}\n\n', "ndjson", "orders", (OPTIONAL_A,), expected)
        return [row["a"] for batch in batches for row in batch.to_pylist()]

    assert texts(2) == ["1", "2"]
    assert texts(4) == ["1", None, "2", None]


@pytest.mark.parametrize("marks", [1, 2])
@pytest.mark.parametrize("form", FORMS[:-1])
def test_byte_order_marks_are_no_part_of_the_text(form, marks):
    bom = "\ufeff".encode() * marks
    if form == "ndjson_gzip":
        payload = b"".join(gzip.compress(bom + line) for line in (b'{"a":1}\n', b'{"a":1}\n'))
    elif form == "json_pages":
        payload = bom + b"[" + bom + b'{"orders":[{"a":1}]},' + bom + b'{"orders":[{"a":1}]}]'
    else:
        payload = bom + file_of(form, "a")
    assert read(payload, form, "a") == [{"a": "1"}, {"a": "1"}]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "is empty: not even an empty gzip file"),
        (b'{"a":1}\n', "is not a gzip file"),
        (gzip.compress(b'{"a":1}\n' * 5000)[:60], "is cut off: its last gzip member has no end"),
        (gzip.compress(b'{"a":1}\n')[:-3], "is cut off: its last gzip member has no end"),
        (gzip.compress(b'{"a":1}\n') + b"trailing", "has bytes after its last gzip member, at 28"),
        (gzip.compress(b'{"a":1}\n') + b"\0" * 9, "has bytes after its last gzip member, at 28"),
        (gzip.compress(gzip.compress(b'{"a":1}\n')), "is compressed twice"),
        (gzip.compress(b'{"a":1}\n')[:12] + b"\0" * 20, "is damaged: its gzip member cannot be decompressed"),
    ],
    ids=range(8),
)
def test_a_gzip_file_that_is_not_whole_never_gives_half_its_lines(payload, said):
    with pytest.raises(BadFile, match=said):
        records(payload, "ndjson_gzip", "a")


def test_a_file_that_would_not_fit_into_a_worker_fails_before_it_is_decompressed(monkeypatch):
    monkeypatch.setattr("retailflow_spark.bronze.encoding.MOST_BYTES", 2**20)
    with pytest.raises(BadFile, match="holds more than 1 MiB; have it delivered in several files"):
        records(gzip.compress(b"\n" * 2**21), "ndjson_gzip", "a")
    with pytest.raises(BadFile, match="holds more than 1 MiB"):
        records(b"\n" * 2**21, "ndjson", "a")


@pytest.mark.parametrize(
    ("size", "count", "said"),
    [(128 * 2**20 + 1, 7, "more than 128 MiB"), (7, 1_000_001, "more than 1,000,000 records")],
)
def test_a_file_that_is_too_large_by_its_manifest_is_refused_before_anybody_reads_it(size, count, said):
    day, moment = date(2026, 1, 15), datetime(2026, 1, 16, tzinfo=UTC)
    file = RawFile(name="batch_1.ndjson", bytes=size, sha256="0" * 64, records=count)
    manifest = Manifest(
        batch_id=ulid(moment, "x"), entity="payments", ingestion_date=day, created_at=moment, files=(file,)
    )
    whole = rf"payments/ingestion_date=2026-01-15/batch_1\.ndjson holds {said}; have it .* {manifest.batch_id}"
    with pytest.raises(BadFile, match=whole):
        read_day(None, None, feed_contract("payments"), day, [manifest])


def test_a_small_file_that_holds_too_much_text_is_refused(monkeypatch):
    monkeypatch.setattr("retailflow_spark.bronze.rows.MOST_TEXT", 2**20)
    values = pa.array(["one value"] * 200_000).dictionary_encode()
    with pytest.raises(BadFile, match="MiB of text; have it delivered in several files"):
        records(parquet(a=values), "parquet", "a")


@pytest.mark.parametrize("start", [100, 2**20 - 4, 2**20 - 3, 2**20 - 1, 2**20])
def test_a_byte_that_is_not_utf_8_is_named_by_its_place_wherever_it_stands(start):
    """A file is checked in parts of 1 MiB, and a character of four bytes may span two of them."""
    head = b'{"orders": [], "x": "'
    whole = head + b"x" * (start - len(head)) + "\U0001f600".encode()
    assert records(whole + b'"}', "json_document", "a") == []
    with pytest.raises(BadFile, match=rf"is not UTF-8 from byte {start + 4} on"):
        records(whole + b'\xe9"}', "json_document", "a")


def test_records_of_much_text_are_put_into_columns_a_few_at_a_time(monkeypatch):
    """Python needs four times the bytes for a text with a character like this one."""
    monkeypatch.setattr("retailflow_spark.bronze.rows.CHARACTERS_PER_BATCH", 100)
    batches = decode(('{"a":"\U0001f600' + "x" * 60 + '"}\n').encode() * 5, "ndjson", "orders", (OPTIONAL_A,))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("form", FORMS)
def test_a_field_that_no_contract_names_and_the_order_of_fields_change_nothing_else(form):
    rows = records(file_of(form, "new", "b", "a"), form, REQUIRED_A, OPTIONAL_B)
    assert [row["_missing_fields"] for row in rows] == [None, None]
    assert [(row["a"], row["b"]) for row in rows] == [("1", "1"), ("1", "1")]
    assert [row["_rescued_data"].replace('"1"', "1") for row in rows] == ['{"new":1}', '{"new":1}']


def test_unknown_fields_are_rescued_by_their_path_at_every_depth():
    payload = (
        b'{"lines":[{"id":"a","discount":"40"},{"id":"b","discount":"10"}],"shipping":{"address":{"zip":1}},"x":[1]}'
    )
    (row,) = records(payload, "ndjson", LINES, SHIPPING)
    assert row["_rescued_data"] == '{"lines[].discount":["40","10"],"shipping.address.zip":1,"x":[1]}'


def test_fields_that_a_file_lacks_inside_of_objects_are_named_where_such_objects_are():
    line = b'{"lines":[{"id":"a","discount":"40"}],"shipping":{"method":"x","address":null}}\n'
    rows = records(line * 2, "ndjson", LINES, SHIPPING, OPTIONAL_A)
    assert [row["_missing_fields"] for row in rows] == ["a, lines[].price"] * 2


@pytest.mark.parametrize("form", FORMS)
def test_a_required_field_that_a_file_of_many_records_lacks_fails_it_and_no_name_of_the_file_is_quoted(form):
    with pytest.raises(BadFile) as failure:
        records(file_of(form, "b", "A_ID", count=100), form, REQUIRED_A, OPTIONAL_B)
    assert str(failure.value) == (
        "lacks a, which the contract requires, in all its records. If the source keeps this, change the contract"
    )
    rows = records(file_of(form, "b", "A_ID", count=99), form, REQUIRED_A, OPTIONAL_B)
    assert {(row["a"], row["_corrupt_record"], row["_missing_fields"]) for row in rows} == {(None, None, "a")}


def test_one_record_with_many_bad_lines_fails_no_file():
    lines = b",".join([b'{"price":"1"}'] * 200)
    assert len(read(b'{"lines":[' + lines + b"]}", "ndjson", LINES)) == 1


@pytest.mark.parametrize("form", FORMS)
def test_optional_fields_that_a_file_lacks_are_named_beside_each_record(form):
    rows = records(file_of(form, "a"), form, REQUIRED_A, OPTIONAL_B, "c")
    assert [row["_missing_fields"] for row in rows] == ["b, c", "b, c"]


def test_one_json_record_alone_says_nothing_of_the_feed():
    rows = records(b'{"b": 1}\nno json\n', "ndjson", REQUIRED_A, OPTIONAL_B, "c")
    assert [row["_missing_fields"] for row in rows] == [None, None]


def test_equal_records_have_one_digest_whatever_their_order_of_fields_and_nulls():
    payload = b'{"a":"1","b":null}\n{"b":null,"a":1}\n{"a":"1"}\n{"a":"2"}\n{"b":"1"}\n'
    digests = [row["_record_md5"] for row in records(payload, "ndjson", "a", "b")]
    assert [digests.index(digest) for digest in digests] == [0, 0, 0, 3, 4]


def test_csv_columns_are_found_by_their_trimmed_names_and_unknown_ones_are_rescued():
    (row,) = records(b' b ,new,a,,\r\n"x,\r\n""y""",7,,8,\r\n\r\n', "csv", "a", "b")
    assert (row["a"], row["b"]) == (None, 'x,\r\n"y"')
    assert row["_rescued_data"] == '{"column 4":"8","column 5":"","new":"7"}'


@pytest.mark.parametrize(
    ("row", "kept", "reason"),
    [
        (b"1,2,3", "1,2,3", "the row has a different number of fields than the header"),
        (b"1", "1", "the row has a different number of fields than the header"),
        (b'"2"50.00,1', '"2"50.00,1', "the row has a quote where none is allowed"),
        (b'1,a"b', '1,a"b', "the row has a quote where none is allowed"),
        (b'1, "b"', '1, "b"', "the row has a quote where none is allowed"),
        (b'"open,1', '"open,1', "the row has a quote where none is allowed"),
        (b"1,caf\xe9", "1,caf\\xe9", NOT_UTF8),
        (b'1,"x\xff,"', '1,"x\\xff,"', NOT_UTF8),
    ],
)  # fmt: skip
def test_a_csv_row_that_cannot_be_read_is_kept_as_it_came_and_spoils_no_other(row, kept, reason):
    payload = b"a,b\n3,\xc3\xa9\n" + row + b"\n5,6\n"
    assert corrupt(payload, "csv", "a", "b") == [(kept, reason)]
    assert read(payload, "csv", "a", "b") == [{"a": "3", "b": "é"}, {"a": "5", "b": "6"}]


def test_a_header_that_comes_again_is_a_record_like_any_other():
    assert read(b"a,b\n1,2\na,b\n", "csv", "a", "b") == [{"a": "1", "b": "2"}, {"a": "a", "b": "b"}]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "is empty: a CSV file has at least its header"),
        (b"a,caf\xe9\n1,2\n", "has a header that cannot be read"),
        (b'a,b"c\n1,2\n', "has a header that cannot be read"),
        (b"a,b,a\n1,2,3\n", "has the same name in its header twice, in columns 1 and 3"),
        (b"PK\x03\x04 a workbook", "it seems to be a ZIP archive or an Excel workbook"),
        ("a,b\n".encode("utf-16"), "it seems to be UTF-16"),
    ],
    ids=range(6),
)
def test_a_csv_file_that_cannot_be_read_fails_with_a_sentence(payload, said):
    with pytest.raises(BadFile, match=said):
        records(payload, "csv", "a")


def test_a_file_without_its_header_is_not_quoted():
    with pytest.raises(BadFile) as failure:
        records(b"R-77,C-jane.doe\n" * 200, "csv", REQUIRED_A, OPTIONAL_B)
    assert "jane" not in str(failure.value)


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
    [b"", b"PAR1", parquet(a=pa.array(["1"]))[:-20]],
    ids=["empty", "cut", "without its end"],
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
def test_a_required_parquet_column_of_another_type_fails_and_an_optional_one_is_validated_by_its_text(asked, values):
    with pytest.raises(BadFile, match=rf"has a as {values.type}".replace("[", r"\[") + "; the contract requires it as"):
        records(parquet(a=values), "parquet", Column("a", asked, "", required=True))
    assert [row["_corrupt_record"] for row in records(parquet(a=values), "parquet", Column("a", asked, ""))] == [None]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([datetime(2026, 1, 15)]), "2026-01-15T00:00:00.000000"),
        (pa.array([datetime(2026, 1, 15)], pa.timestamp("ns", "Europe/Berlin")), "2026-01-15T00:00:00.000000000Z"),
        (pa.array([[{"x": 1}]]), '[{"x":1}]'),
        (pa.array(["7"], pa.large_string()), "7"),
        (pa.array(["7"], pa.string_view()), "7"),
        (pa.array([Decimal("15000.500000")], pa.decimal128(38, 6)), "15000.500000"),
        (pa.array(["7"]).dictionary_encode(), "7"),
    ],
)
def test_parquet_types_that_no_contract_has_become_text_as_well(values, text):
    assert [row["a"] for row in records(parquet(a=values), "parquet", "a")] == [text]


def test_parquet_text_that_is_not_utf8_spoils_only_its_record():
    values = pa.array([b"x", b"\xff"]).view(pa.string())
    assert read(parquet(a=values, b=pa.array([1, 2])), "parquet", "a", "b") == [{"a": "x", "b": "1"}]
    assert corrupt(parquet(a=values, b=pa.array([1, 2])), "parquet", "a", "b") == [
        ('{"a":"\\\\xff","b":"2"}', NOT_UTF8)
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([float("nan")]), '{"x":"nan"}'),
        (pa.array([[1.0, float("inf")]]), '{"x":[1.0,"inf"]}'),
        (pa.array([10**15], pa.timestamp("s")), '{"x":"<value out of range: 1000000000000000000>"}'),
        (pa.array([b"\xff"]), '{"x":"ff"}'),
        (pa.array([{"at": datetime(2026, 1, 15)}]), '{"x":{"at":"2026-01-15T00:00:00"}}'),
    ],
)
def test_an_unknown_parquet_column_may_hold_anything(values, text):
    assert records(parquet(a=pa.array(["1"]), x=values), "parquet", "a")[0]["_rescued_data"] == text
