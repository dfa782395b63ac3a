"""Changes that sources make to records: other spellings, blank values, other types or dates, and repeated names.

Some changes keep the rules of the feed and some break them; the oracle knows which.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from .sources import Again, Exact, Record, Sent

Path = tuple[str | int, ...]
Change = Callable[[str, Record, int, int], Record]  # changes a record of a feed; two numbers choose where and how

_MOMENTS = frozenset(
    {"updated_at", "ordered_at", "created_at", "deleted_at", "occurred_at", "received_at", "recorded_at"}
)
_WHOLE = frozenset(
    {"quantity", "line_number", "revision", "quantity_on_hand", "quantity_reserved", "quantity_on_order",
     "reorder_point"}
)  # fmt: skip
_AMOUNTS = frozenset({"amount", "unit_price", "discount_amount", "tax_amount", "list_price", "unit_cost"})
_BLANKS = ("", " ", "\u3000\u2003", "\r\n\t\u00a0")
_LONG = "x" * 256
# Any field may have any of these values.
ANYTHING = (
    *_BLANKS, "unknown", "online", "Unknown", "NaN", Exact("NaN"), Exact("-Infinity"), "Infinity", "1e400",
    Exact("1e400"), Exact("-0"), Exact("9223372036854775807"), Exact("9223372036854775808"), "-2147483649",
    "99999999999999.9999", "100000000000000", "0.00001", "0.000010000e1", Exact("123456789012.34567"), "1,5", "1_000",
    "\uff11", "0x10", "1\x00", "\x011", "5.", ".5", "0e5", Exact("1.50"), "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00", "1970-01-01T00:00:00Z", "1989-12-31T23:59:59.999999Z",
    "1990-01-01T00:00:00Z",
    "1990-01-01", "1989-12-31", "1900-01-01", "2026-01-16T12:00:00+25:00", "2026-01-16t12:00:00.5z",
    "2026-01-17T12:00:00-00:00", "2062-01-15T09:00:00Z", "2035-12-31", "2036-12-31", "2026-01-15T23:59:60",
    "2026-01-16", "2026-01-15T24:00:00Z", "2026-1-15", "a\x00b", "a\x07b", "a\x9fb", "a\ud800b", "\udce9", "a\tb\r\nc",
    _LONG, _LONG + "x", "😀" * 256, "😀" * 257, "é", "e\u0301", "\u200b", "\ufeffa", "a\u2028b", "'; --", "null",
    "None", "true", True, False, None, [], {}, [1], {"a": 1}, 0, 1, -1, 12,
)  # fmt: skip
# Values of fields that no feed names. The feeds have no rule for control characters in these fields.
_UNKNOWN = tuple(value for value in ANYTHING if not re.search("[\x00-\x1f\x80-\x9f\ud800-\udfff]", str(value)))
# Names that no feed has.
NAMES = ("colour", "Updated_At", "AMOUNT", "a.b", "discount", "назва", 'a"b')


def scalars(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the values in a record that are not objects or arrays."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(inner, (*path, name))
    else:
        yield path


def containers(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the objects and arrays, the record itself first."""
    if isinstance(value, dict | list):
        yield path
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(inner, (*path, name))


def places(record: Record) -> list[Path]:
    """Return all paths inside a record."""
    return [*scalars(record), *(path for path in containers(record) if path)]


def objects(record: Record) -> list[Path]:
    """Return the paths of the objects, the record itself first."""
    return [path for path in containers(record) if isinstance(_at(record, path), dict)]


def _at(value: Any, path: Path) -> Any:
    return _at(value[path[0]], path[1:]) if path else value


def _changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return a copy with `change` applied to the value at a path."""
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(copy[path[0]], path[1:], change)
    return copy


def spell_otherwise(feed: str, record: Record, where: int, how: int) -> Record:
    """Write a value as another source would, without changing its meaning."""
    present = [path for path in scalars(record) if _at(record, path) is not None]
    path = present[where % len(present)]
    forms = [*_spellings(str(path[-1]), _at(record, path))]
    return _changed(record, path, lambda _: forms[how % len(forms)])


def _spellings(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, bool | float):
        yield value
        return
    if name in _MOMENTS and isinstance(value, str):
        yield value.lower()
        yield re.sub(r"\.(\d+)", r".\g<1>0000", value)
        yield value.replace("Z", "+00:00")
        yield value.replace("Z", "-00:00")
        yield re.sub(r"(\d)(Z|\+)", r"\1.000000\2", value) if "." not in value else value
    elif name in _WHOLE | _AMOUNTS and re.fullmatch("[-0-9.]+", str(value)):
        digits = str(value)
        yield digits
        yield Exact(digits)
        yield Exact(digits if "." in digits else f"{digits}.0")
        yield f"{digits}e0"
        yield Exact(f"{digits}E+00")
        yield f"{digits}{'' if '.' in digits else '.'}{'0' * 20}"
        yield Exact(f"{digits}{'' if '.' in digits else '.'}{'0' * 20}")
        yield Exact(_in_ten_thousandths(digits))
    elif re.fullmatch("[1-9][0-9]*", str(value)):
        yield Exact(value)
    for pattern in (" {}", "{}\r\n", "\u3000{}\u2003", "\t{}\u00a0", "\u2028{}\x85"):
        yield pattern.format(value)


def _in_ten_thousandths(digits: str) -> str:
    sign, unsigned = re.match("(-?)(.*)", digits).groups()
    units, _, decimals = unsigned.partition(".")
    return f"{sign}{int(units + decimals.ljust(4, '0'))}e-4"


def leave_blank(feed: str, record: Record, where: int, how: int) -> Record:
    """Replace a value, an object or an array with blank text."""
    found = places(record)
    return _changed(record, found[where % len(found)], lambda _: _BLANKS[how % len(_BLANKS)])


def put_anything(feed: str, record: Record, where: int, how: int) -> Record:
    """Replace a value, an object or an array with another value."""
    found, value = places(record), ANYTHING[how % len(ANYTHING)]
    return _changed(record, found[where % len(found)], lambda _: value)


def add_a_field(feed: str, record: Record, where: int, how: int) -> Record:
    """Add a field that the feed does not have, at any depth."""
    found, name = objects(record), NAMES[how % len(NAMES)]
    value = _UNKNOWN[(where + how) % len(_UNKNOWN)]
    return _changed(record, found[where % len(found)], lambda inside: {**inside, name: value})


def say_twice(feed: str, record: Record, where: int, how: int) -> Record:
    """Repeat a name of an object, with the same or another value. CSV and Parquet cannot have these records."""
    if feed in ("stores", "store_sales", "inventory"):
        return record
    named = [path for path in places(record) if isinstance(path[-1], str)]
    path = named[where % len(named)]
    value = _at(record, path) if how % 2 else "C2"
    return _changed(record, path[:-1], lambda inside: {**inside, Again(path[-1]): value})


_DATES = {"orders": "ordered_at", "payments": "occurred_at", "clickstream": "occurred_at",
          "store_sales": "sold_at_local"}  # fmt: skip


def name_another_date(feed: str, record: Record, where: int, how: int) -> Record:
    """Give the same key an event date that it did not have before."""
    if feed not in _DATES:
        return record
    moments = ("2026-01-15T23:59:59", "2026-01-16T00:00:01", "2026-01-14T12:00:00", "2025-12-31T23:59:59")
    zone = "" if feed == "store_sales" else "Z"
    return record | {_DATES[feed]: f"{moments[how % len(moments)]}{zone}"}


CHANGES: tuple[Change, ...] = (
    *(spell_otherwise, spell_otherwise, spell_otherwise, leave_blank, add_a_field, name_another_date, say_twice),
    put_anything,
)


def changed(feed: str, sent: st.SearchStrategy[Record], changes: st.SearchStrategy[Change]) -> st.SearchStrategy:
    """Return a strategy for these records with one or two of the changes."""
    numbers = st.integers(0, 9_999)
    drawn = st.lists(st.tuples(changes, numbers, numbers), min_size=1, max_size=2)

    def apply(found: tuple[Record, list]) -> Record:
        record, made = found
        for change, where, how in made:
            record = change(feed, record, where, how)
        return record

    return st.tuples(sent, drawn).map(apply)


# The fields whose ids get a prefix of their history. The ids of fixed members are the same for all histories.
_OWN = {
    **dict.fromkeys(("order_id", "customer_id", "product_id"), ("unknown",)), "store_id": ("unknown", "online"),
    **dict.fromkeys(("receipt_id", "payment_event_id", "event_id", "anonymous_id", "session_id"), ()),
    "category": ("unknown",),
}  # fmt: skip


def of_history(value: Any, number: int) -> Any:
    """Return the record with ids that only its history has. Blank ids stay blank, long ones long, numbers numbers."""
    if isinstance(value, list):
        return [of_history(item, number) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _own(inner, _OWN[str(name)], number) if str(name) in _OWN else of_history(inner, number)
        for name, inner in value.items()
    }


def _own(value: Any, members: tuple[str, ...], number: int) -> Any:
    text = str(value).strip() if isinstance(value, str) else ""
    if not text or text in members:
        return value
    if re.fullmatch("[0-9]+", text):
        return type(value)(value.replace(text, f"{number + 1}000{text}"))
    if isinstance(value, Exact):
        return value
    own = f"h{number}-{text}"
    return value.replace(text, own[: len(text)] if len(text) > 200 else own)


def of_history_sent(sent: Sent, number: int) -> Sent:
    return of_history(sent, number) if isinstance(sent, dict) else sent
