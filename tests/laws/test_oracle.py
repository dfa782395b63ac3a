"""Test the oracle itself: it shares no code with the jobs, and follows FEEDS.md."""

import ast
import gzip
import io
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .oracle_decode import records
from .oracle_feeds import FEEDS, Broken
from .oracle_gold import Gold
from .oracle_sessions import sessions

MADE_AT = datetime(2026, 1, 16, 2, tzinfo=UTC)
AT = "2026-01-15T10:00:00Z"
PAID = {
    "payment_event_id": "E1", "event_type": "captured", "amount": "1", "currency": "EUR", "occurred_at": AT,
    "recorded_at": AT,
}  # fmt: skip


def test_it_imports_nothing_of_the_project():
    files = sorted(Path(__file__).parent.glob("oracle*.py"))
    imported = {name for file in files for name in _imports(ast.parse(file.read_text("utf-8")))}
    assert len(files) > 5
    assert imported - sys.stdlib_module_names == {"pyarrow"}


def _imports(tree: ast.Module) -> set[str]:
    """Return the imported packages, except those of this folder."""
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    beside = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    assert all(module.startswith("oracle") for module in beside)
    return {name.partition(".")[0] for name in plain | named}


def paid(text: str, made_at: datetime = MADE_AT, feed: str = "payments"):
    """Return the values of the only record of a file of lines; None if it is invalid."""
    (found,) = records("lines", feed, text.encode(), ())
    try:
        return FEEDS[feed].row(found.values, made_at)
    except Broken:
        return None


@pytest.mark.parametrize(
    ("literal", "amount"),
    [
        ("1", 10_000), ('"1.50"', 15_000), ("0.0001", 1), ('"1e3"', 10_000_000), ("12.5E-1", 12_500),
        ('" 2\\u2003"', 20_000), ("99999999999999.9999", 999_999_999_999_999_999), ("1.00000000000000000000", 10_000),
        ("100000000000000", None), ("0.00001", None), ("0.1e-4", None), ('"NaN"', None), ("NaN", None), ('"1,5"', None),
        ('"\\uff11"', None), ('"1\\u0000"', None), ("0", None), ("-1", None), ("true", None), ("[1]", None),
        ("1e999999999", None),
    ],
)  # fmt: skip
def test_an_amount_is_exact_or_invalid(literal, amount):
    text = json.dumps(PAID).replace('"amount": "1"', f'"amount": {literal}')
    row = paid(text)
    assert (row and row["amount"]) == amount


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        ("2026-01-15t10:00:00z", "2026-01-15 10:00:00+00:00"),
        ("2026-01-15T10:00:00.1234567+01:30", "2026-01-15 08:30:00.123456+00:00"),
        ("1990-01-01T00:00:00-00:00", "1990-01-01 00:00:00+00:00"),
        ("1990-01-01T00:00:00+00:01", None),
        ("2026-01-17T02:00:00Z", "2026-01-17 02:00:00+00:00"),
        ("2026-01-17T02:00:00.000001Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-02-30T10:00:00Z", None),
        ("2026-01-15T10:00:00", None),
    ],
)
def test_a_moment_is_plausible_for_its_batch(moment, utc):
    row = paid(json.dumps(PAID | {"recorded_at": moment}))
    assert (row and str(row["recorded_at"])) == utc


def test_text_is_trimmed_blank_is_absent_and_reserved_ids_mean_the_unknown_member():
    row = paid(json.dumps(PAID | {"provider": "\u3000x y\r\n", "method": " \u2003", "order_id": "unknown"}))
    assert (row["provider"], row["method"], row["order_id"]) == ("x y", None, "unknown")
    assert paid(json.dumps(PAID | {"provider": "a\u0007b"})) is None
    assert paid(json.dumps(PAID | {"provider": "a\ud800b"})) is None
    assert paid(json.dumps(PAID | {"payment_id": "é" * 257})) is None
    assert paid(json.dumps({"product_id": "unknown", "name": "x", "updated_at": AT}), feed="products") is None


def test_lines_in_all_forms_are_the_same_records():
    first, second = '{"a": "1\u2028"}', '{"a": 2.50}'
    plain = f"{first}\n{second}\n".encode()
    marked = b"\xef\xbb\xbf\xef\xbb\xbf" + f"{first}\r\n \n\n\ufeff {second}".encode()
    members = gzip.compress(marked[:20]) + gzip.compress(b"") + gzip.compress(marked[20:])
    wanted = [{"a": "1\u2028"}, {"a": "2.50"}]
    for form, content in (("lines", plain), ("lines", marked), ("zipped lines", members)):
        assert [found.values for found in records(form, "payments", content, ())] == wanted


def test_a_bad_record_of_a_page_spoils_no_other():
    bad = '{"a": 1, "a": 1}, {"a": {"b": [NaN]}}, null, 5, "x"'
    pages = f'[{{"orders": [{{"a": "]}},{{"}}, {bad}]}},\ufeff {{"x": {{"orders": [1]}}, "orders": [{{"a": [1]}}]}}]'
    found = [one.values for one in records("pages", "orders", pages.encode(), ())]
    assert found == [{"a": "]},{"}, None, None, None, None, None, {"a": ["1"]}]


def test_csv_is_read_by_rfc_4180():
    text = '\ufeff b ,"a"\r\n\r\n"1""2","x\r\ny"\r\n3,4,5\r\n"6"7,8\r\n9"9,9\n,last'
    found = [one.values for one in records("csv", "stores", text.encode() + b"\r\n\xe9,1", ())]
    assert found == [{"b": '1"2', "a": "x\r\ny"}, None, None, None, {"b": None, "a": "last"}, None]


def test_parquet_is_read_as_text_and_text_that_is_not_utf8_spoils_its_record_only():
    columns = {
        "id": pa.array([b"a", b"\xe9"], pa.binary()).view(pa.string()),
        "at": pa.array([1_000_000, None], pa.timestamp("us", "Europe/Berlin")),
        "on": pa.array([date(2026, 1, 15), None]),
        "far": pa.array([5_000_000, 0], pa.int32()).cast(pa.date32()),
        "cost": pa.array([1.5, float("nan")]),
    }
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    found = [one.values for one in records("parquet", "inventory", content.getvalue(), ())]
    assert found == [
        {"id": "a", "at": "1970-01-01T00:00:01.000000Z", "on": "2026-01-15", "far": "day 5000000", "cost": "1.5"},
        None,
    ]


def test_silence_of_exactly_the_limit_ends_a_session():
    def click(number: int, moment: str, session_id: str | None) -> dict:
        empty = dict.fromkeys(("customer_id", "order_id", "page_url", "device", "utm"))
        at = datetime.fromisoformat(f"2026-01-{moment}+00:00")
        return empty | {"event_id": f"V{number}", "anonymous_id": "A", "session_id": session_id,
                       "event_type": "search", "occurred_at": at}  # fmt: skip

    for session_id, moments in (
        (None, ("15 23:50:00", "16 00:19:59.999999", "16 00:49:59.999999")),
        ("S", ("15 10:00:00", "16 09:59:59.999999", "17 09:59:59.999999")),
    ):
        found = sessions([click(number, moment, session_id) for number, moment in enumerate(moments)])
        assert sorted(row["event_count"] for row in found) == [1, 2]


def test_the_calendar_knows_iso_weeks():
    days = {str(row["calendar_date"]): row for row in Gold(None).dim_date}
    assert len(days) == 21_915
    assert (days["2027-01-01"]["iso_year_number"], days["2027-01-01"]["iso_week_number"]) == (2026, 53)
    assert (days["2026-02-28"]["weekday_name"], days["2026-02-28"]["is_weekend"]) == ("Saturday", True)
