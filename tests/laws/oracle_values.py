"""The rules for a value of a record, written a second time, only from the description of the feeds.

Amounts are whole numbers of 1/10000. Moments are in UTC. Times of a till have no zone.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Kind = Callable[[Any, datetime], Any]  # of the received value, and the moment when its batch was created

UNKNOWN = "unknown"
PER_UNIT = 10_000  # parts of an amount's unit
_WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f\ud800-\udfff]")
_EARLIEST, _DAY = date(1990, 1, 1), timedelta(days=1)
_LIST = Path(__file__).parents[2] / "include/retailflow/contracts/time_zones.txt"
TIME_ZONES = frozenset(_LIST.read_text("utf-8").split())


class Broken(ValueError):
    """A value or record breaks a rule of its feed."""


def is_absent(raw: Any) -> bool:
    """Whether a value is absent: null, or blank text."""
    return raw is None or (isinstance(raw, str) and not raw.strip(_WHITE_SPACE))


def _scalar(raw: Any) -> str:
    """Return the text of a value without the white space around it."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if not isinstance(raw, str):
        raise Broken(raw)
    return raw.strip(_WHITE_SPACE)


def text(raw: Any, made_at: datetime) -> str:
    found = _scalar(raw)
    if _FORBIDDEN.search(found):
        raise Broken(raw)
    return found


def _id(raw: Any, made_at: datetime) -> str:
    found = text(raw, made_at)
    if len(found) > 256:
        raise Broken(raw)
    return found


def key(*reserved: str) -> Kind:
    """Return the rule for the id of a record itself: reserved ids are not allowed."""

    def read(raw: Any, made_at: datetime) -> str:
        found = _id(raw, made_at)
        if found in reserved:
            raise Broken(raw)
        return found

    return read


def reference(*members: str) -> Kind:
    """Return the rule for the id of another record. The id of a fixed member means the unknown member."""

    def read(raw: Any, made_at: datetime) -> str:
        found = _id(raw, made_at)
        return UNKNOWN if found in members else found

    return read


def form(pattern: str) -> Kind:
    def read(raw: Any, made_at: datetime) -> str:
        found = _scalar(raw)
        if not re.fullmatch(pattern, found):
            raise Broken(raw)
        return found

    return read


def one_of(*allowed: str) -> Kind:
    return form("|".join(allowed))


def flag(raw: Any, made_at: datetime) -> bool:
    return one_of("true", "false")(raw, made_at) == "true"


def zone(raw: Any, made_at: datetime) -> str:
    found = _scalar(raw)
    if found not in TIME_ZONES:
        raise Broken(raw)
    return found


_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


def _times(raw: Any, scale: int) -> int:
    """Return a number times 10 to the power of `scale`, if that is whole, from its digits, so nothing is rounded."""
    found = _NUMBER.fullmatch(_scalar(raw))
    sign, units, decimals, exponent = found.groups("") if found else ("", "", "", "")
    written = units + decimals
    if not written:
        raise Broken(raw)
    significant = written.rstrip("0")
    power = int(exponent or 0) - len(decimals) + len(written) - len(significant) + scale
    significant = significant.lstrip("0")
    if not significant:
        return 0
    if power < 0 or len(significant) + power > 40:  # more decimals, or larger than any column allows
        raise Broken(raw)
    return int(sign + significant) * 10**power


def whole(least: int, most: int) -> Kind:
    return _number(0, least, most)


def amount(least: int, most: int) -> Kind:
    """Return the rule for an amount. The limits are in whole units."""
    return _number(4, least * PER_UNIT, most * PER_UNIT)


def _number(scale: int, least: int, most: int) -> Kind:
    def read(raw: Any, made_at: datetime) -> int:
        found = _times(raw, scale)
        if not least <= found <= most:
            raise Broken(raw)
        return found

    return read


def day(earliest: date = _EARLIEST, years: int = 0) -> Kind:
    """Return the rule for a date from `earliest` until `years` years after its batch was created; one day if 0."""

    def read(raw: Any, made_at: datetime) -> date:
        found = _parsed(date.fromisoformat, form(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")(raw, made_at))
        latest = made_at.replace(year=made_at.year + years) if years else made_at + _DAY
        if not earliest <= found <= latest.date():
            raise Broken(raw)
        return found

    return read


_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"


def moment(raw: Any, made_at: datetime) -> datetime:
    """Return a moment by RFC 3339 in UTC; digits below a microsecond are cut off. Raises: Broken."""
    found = re.fullmatch(_TIME + r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))", _scalar(raw))
    if not found:
        raise Broken(raw)
    *parts, sign, hours, minutes = found.groups()
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise Broken(raw)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        utc = (_local(*parts) + (offset if sign == "-" else -offset)).replace(tzinfo=UTC)
    except OverflowError as error:
        raise Broken(raw) from error
    return _plausible(utc, made_at)


def local(raw: Any, made_at: datetime) -> datetime:
    found = re.fullmatch(_TIME, _scalar(raw))
    if not found:
        raise Broken(raw)
    return _plausible(_local(*found.groups()), made_at.replace(tzinfo=None))


def _local(day: str, time: str, fraction: str | None) -> datetime:
    return _parsed(datetime.fromisoformat, f"{day}T{time}.{(fraction or '').ljust(6, '0')[:6]}")


def _plausible(found: datetime, made_at: datetime) -> datetime:
    earliest = datetime(_EARLIEST.year, _EARLIEST.month, _EARLIEST.day, tzinfo=made_at.tzinfo)
    if not earliest <= found <= made_at + _DAY:
        raise Broken(found)
    return found


def _parsed(parse: Callable[[str], Any], value: str) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise Broken(value) from error


def texts(raw: Any, made_at: datetime) -> list[str | None]:
    """Return an array of texts. Raises: Broken."""
    return [None if is_absent(item) else text(item, made_at) for item in _a(list, raw)]


def part(**fields: Kind) -> Kind:
    """Return the rule for an object; fields that it lacks are null."""
    return lambda raw, made_at: values(_a(dict, raw), fields, (), made_at)


def parts(required: tuple[str, ...], **fields: Kind) -> Kind:
    """Return the rule for an array of objects."""
    return lambda raw, made_at: [values(_a(dict, item), fields, required, made_at) for item in _a(list, raw)]


def _a(kind: type, raw: Any) -> Any:
    if not isinstance(raw, kind):
        raise Broken(raw)
    return raw


def values(raw: Mapping[str, Any], fields: Mapping[str, Kind], required: tuple[str, ...], made_at: datetime) -> Row:
    """Return the value of each field; None for an absent field. Raises: Broken."""
    if any(is_absent(raw.get(name)) for name in required):
        raise Broken(raw)
    return {name: None if is_absent(raw.get(name)) else kind(raw[name], made_at) for name, kind in fields.items()}
