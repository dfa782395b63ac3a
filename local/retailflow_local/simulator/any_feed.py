"""Generate a feed that has no module of its own from its contract alone: types, ranges, patterns, keys.

A feed with an event date has new records each day. Any other feed is a snapshot, whose records change now and then.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from retailflow.contracts import Column, FeedContract, feed_contract
from retailflow_local.simulator.dice import Dice, midnight, moment, stamp

_RECORDS_AT_SCALE_ONE = 400
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "juniper", "kestrel")
_LONGEST_REPEAT = 8


def records_of(dice: Dice, name: str, day: date, related: Callable[[str, date], list[dict]]) -> list[dict]:
    """Return the sound records of a day, as the feed's format writes them.

    Args:
        related: returns the records of another feed; references use their keys.
    """
    contract = feed_contract(name)
    keys = {column: _keys(related(feed, day), key) for column, feed, key in _references(contract)}
    return [_record(dice, contract, day, index, keys) for index in range(dice.count(_RECORDS_AT_SCALE_ONE))]


def changed(contract: FeedContract, record: dict) -> dict:
    """Return the change in a newer version of a record: a new value of its first plain column that is not a key."""
    free = {*contract.silver.key, contract.version_column, *(name for name, _, _ in _references(contract))}
    for column in contract.feed_columns:
        if column.name not in free and column.type == "STRING" and not column.pattern and not column.valid_values:
            return {column.name: f"{record[column.name] or 'none'} (changed)"}
    return {}


def damages(contract: FeedContract) -> tuple[tuple[str, str, Any], ...]:
    """Return the possible damages of a record, in the form of `trouble.DAMAGES`."""
    found: list[tuple[str, str, Any]] = []
    free = [column for column in contract.feed_columns if column.name not in contract.silver.key]
    kinds: dict[str, tuple[Callable[[Column], bool], Any]] = {
        "missing": (lambda column: column.required, None),
        "price_unparsable": (lambda column: column.type.startswith("DECIMAL"), "12,50 EUR"),
        "status_unknown": (lambda column: bool(column.valid_values), "teleported"),
        "moment_unparsable": (lambda column: column.type.startswith("TIMESTAMP"), "2026-02-30T25:61:00Z"),
    }
    is_typed = contract.format == "parquet"  # its values have types, so all of them can be parsed
    for kind, (concerns, value) in kinds.items():
        column = next((column for column in free if concerns(column)), None)
        if column and not (is_typed and kind in ("price_unparsable", "moment_unparsable")):
            found.append((kind, column.name, value))
    if contract.format in ("csv", "ndjson", "ndjson_gzip"):
        found.append(("cut", "", None))
    return tuple(found)


def _references(contract: FeedContract) -> Iterable[tuple[str, str, str]]:
    """Yield the columns that refer to a record of another feed, with that feed and its key column."""
    for column in contract.feed_columns:
        if column.references:
            feed, _, key = column.references.partition(".")
            yield column.name, feed, key


def _keys(records: list[dict], key: str) -> list[Any]:
    return sorted({record[key] for record in records if record.get(key) is not None})


def _record(dice: Dice, contract: FeedContract, day: date, index: int, keys: dict[str, list[Any]]) -> dict:
    version, changed_on = dice.cycle(14, day, contract.name, index)
    if contract.event_date:
        version, changed_on = day.toordinal(), day
    rng = dice.rng(contract.name, index, version)
    at = moment(changed_on, rng.random())
    is_typed = contract.format == "parquet"
    record = {}
    for column in contract.feed_columns:
        if column.name == contract.version_column:
            value: Any = at
        elif column.name in contract.silver.key:
            value = _key(contract, column, day, index)
        elif keys.get(column.name):
            value = rng.choice(keys[column.name])
        elif not column.required and rng.random() < 0.05:
            value = None
        else:
            value = _value(rng, column, at)
        record[column.name] = _with_zone(value, column) if is_typed else _as_text(value, column)
    return record


def _key(contract: FeedContract, column: Column, day: date, index: int) -> Any:
    if column.type == "DATE":
        return day
    if column.type in ("INT", "BIGINT"):
        return index + 1 + (day.toordinal() % 10_000 * 10_000 if contract.event_date else 0)
    if column.pattern:
        return _matching(Random(f"{column.name} {index} {day if contract.event_date else ''}"), column.pattern)
    of_day = f"{day:%Y%m%d}-" if contract.event_date else ""
    return f"{column.name.removesuffix('_id')[:3].upper()}-{of_day}{index:05d}"


def _value(rng: Random, column: Column, at: Any) -> Any:
    """Return a value that the contract allows, of the column's own type."""
    kind = column.type.split("(")[0]
    if column.fields:
        inner = [{field.name: _value(rng, field, at) for field in column.fields} for _ in range(rng.randint(1, 3))]
        return inner if column.is_array else inner[0]
    if column.valid_values:
        return rng.choice(column.valid_values)
    if column.pattern:
        return _matching(rng, column.pattern)
    if column.is_time_zone:
        return rng.choice(("Europe/Berlin", "Europe/Lisbon", "America/New_York"))
    if kind == "ARRAY<STRING>":
        return rng.sample(_WORDS, 2)
    if kind == "BOOLEAN":
        return rng.random() < 0.5
    if kind == "DATE":
        return (at - timedelta(days=rng.randint(0, 365))).date()
    if kind.startswith("TIMESTAMP"):
        return at - timedelta(minutes=rng.randint(0, 600))
    if kind in ("INT", "BIGINT", "DECIMAL"):
        return _number(rng, column)
    return f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}"[: column.max_length]


def _number(rng: Random, column: Column) -> Any:
    least, most = (Decimal(limit) if limit is not None else None for limit in (column.minimum, column.maximum))
    first = least if least is not None else Decimal(0) if most is None else most - 1000
    last = min(most if most is not None else first + 1000, first + 1_000_000)
    if not column.type.startswith("DECIMAL"):
        return rng.randint(int(first), int(last))
    precision, scale = (int(text) for text in re.findall(r"\d+", column.type))
    last = min(last, Decimal(10) ** (precision - scale) - 1)
    cents = rng.randint(0, int((last - first) * 100)) if scale >= 2 else 100 * rng.randint(0, int(last - first))
    return (first + Decimal(cents) / 100).quantize(Decimal(1).scaleb(-scale))


def _matching(rng: Random, pattern: str) -> str:
    """Return a text that matches a simple pattern: literals, sets, digits, repeats, groups and alternatives.

    Raises: ValueError if the pattern has something else, for example a look-ahead.
    """
    text = "".join(_chosen(rng, part) for part in re._parser.parse(pattern))  # type: ignore[attr-defined]
    if not re.fullmatch(pattern, text):
        raise ValueError(f"the simulator cannot write a text for the pattern {pattern!r}: give the feed a module")
    return text


def _chosen(rng: Random, part: tuple[Any, Any]) -> str:
    kind, what = str(part[0]), part[1]
    if kind == "LITERAL":
        return chr(what)
    if kind == "IN":
        return _chosen(rng, rng.choice([one for one in what if str(one[0]) != "NEGATE"]))
    if kind == "RANGE":
        return chr(rng.randint(*what))
    if kind == "CATEGORY":
        return rng.choice("0123456789" if str(what) == "CATEGORY_DIGIT" else "abcdefgh")
    if kind == "ANY":
        return rng.choice("abcdefgh")
    if kind == "MAX_REPEAT":
        least, most, inner = what
        times = rng.randint(int(least), min(int(most), int(least) + _LONGEST_REPEAT))
        return "".join(_chosen(rng, one) for _ in range(times) for one in inner)
    if kind == "SUBPATTERN":
        return "".join(_chosen(rng, one) for one in what[-1])
    if kind == "BRANCH":
        return "".join(_chosen(rng, one) for one in rng.choice(what[1]))
    return ""  # AT: the begin or the end of the text


def _with_zone(value: Any, column: Column) -> Any:
    """Return a moment with its zone, UTC, for Parquet."""
    return value.replace(tzinfo=UTC) if column.type == "TIMESTAMP" and value is not None else value


def _as_text(value: Any, column: Column) -> Any:
    """Return a value as JSON and CSV write it: moments, dates and decimals are text."""
    if isinstance(value, list):
        return [_as_text(one, column) for one in value]
    if isinstance(value, dict):
        return {field.name: _as_text(value[field.name], field) for field in column.fields}
    if column.type == "TIMESTAMP_NTZ" and value is not None:
        return value.isoformat(timespec="seconds")
    if column.type == "TIMESTAMP" and value is not None:
        return stamp(value)
    return str(value) if isinstance(value, date | Decimal) else value


def newer(contract: FeedContract, record: dict, day: date) -> dict:
    """Return a newer version of a record, from the last second of the day."""
    at = midnight(day) + timedelta(days=1) - timedelta(seconds=1)
    value = at.replace(tzinfo=UTC) if contract.format == "parquet" else stamp(at)
    return {**record, **changed(contract, record), contract.version_column: value}
