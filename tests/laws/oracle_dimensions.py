"""The dimensions of GOLD in plain Python, from the oracle's SILVER. Amounts are whole numbers of 1/10000."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from .oracle import Oracle
from .oracle_feeds import Row
from .oracle_values import UNKNOWN

BEGINNING, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
UNKNOWN_VERSION = (UNKNOWN, BEGINNING)
ADDRESS = ("country", "region", "city", "postal_code")
CUSTOMER = (
    *("first_name", "last_name", "email", "phone", "birth_date", *ADDRESS),
    *("segment", "loyalty_tier", "marketing_consent", "is_deleted"),
)
PRODUCT = ("name", "category", "subcategory", "brand", "list_price", "unit_cost", "is_active")
STORE = ("store_id", "store_type", "name", "country", "region", "city", "postal_code", "opened_on", "closed_on")
_FIRST_DAY, _LAST_DAY = date(1990, 1, 1), date(2049, 12, 31)


def intervals(versions: Iterable[Row], key: str, tracked: tuple[str, ...], carried: tuple[str, ...] = ()) -> list[Row]:
    """Return the versions of each key as half-open intervals; a new one begins where a tracked column changed."""
    histories: dict[str, list[Row]] = defaultdict(list)
    for version in sorted(versions, key=lambda row: row["updated_at"]):
        history = histories[version[key]]
        if not history or any(history[-1][name] != version[name] for name in tracked):
            history.append(version)
    return [
        {name: version[name] for name in (key, *tracked, *carried)}
        | {"valid_from": version["updated_at"] if index else BEGINNING}
        | {"valid_to": history[index + 1]["updated_at"] if index + 1 < len(history) else END}
        | {"is_current": index + 1 == len(history)}
        for history in histories.values()
        for index, version in enumerate(history)
    ]


def customers(oracle: Oracle) -> list[Row]:
    versions = [_flat(record.row) for record in oracle.versions("customers")]
    nobody = dict.fromkeys(CUSTOMER) | {"is_deleted": False}
    return [*intervals(versions, "customer_id", CUSTOMER), _unknown("customer_id", nobody)]


def products(oracle: Oracle) -> list[Row]:
    versions = [record.row for record in oracle.versions("products")]
    nothing = dict.fromkeys((*PRODUCT, "currency")) | {"name": UNKNOWN}
    return [*intervals(versions, "product_id", PRODUCT, ("currency",)), _unknown("product_id", nothing)]


def stores(oracle: Oracle) -> list[Row]:
    known = [{name: store[name] for name in (*STORE, "timezone")} for store in oracle.rows("stores")]
    members = ({"store_id": name, "name": name, "timezone": "UTC"} for name in (UNKNOWN, "online"))
    return [*known, *(dict.fromkeys(STORE) | member for member in members)]


def calendar() -> list[Row]:
    count = (_LAST_DAY - _FIRST_DAY).days + 1
    return [_day(_FIRST_DAY + timedelta(days=number)) for number in range(count)]


def _day(day: date) -> Row:
    iso_year, iso_week, iso_weekday = day.isocalendar()
    return {
        "calendar_date": day, "year_number": day.year, "quarter_number": (day.month + 2) // 3,
        "month_number": day.month, "month_name": f"{day:%B}", "month_start_date": day.replace(day=1),
        "iso_year_number": iso_year, "iso_week_number": iso_week, "day_of_month_number": day.day,
        "iso_weekday_number": iso_weekday, "weekday_name": f"{day:%A}", "is_weekend": iso_weekday in (6, 7),
    }  # fmt: skip


def version_at(dimension: dict[str, list[Row]], key: str | None, moment: datetime) -> tuple[str, datetime]:
    """Return the version of a member that was valid at a moment: its id and beginning. Without one: the unknown member.

    Args:
        dimension: rows by their ids.
    """
    held = [row for row in dimension.get(key, ()) if row["valid_from"] <= moment < row["valid_to"]]
    assert len(held) <= 1, f"{key} has {len(held)} versions at {moment}"
    return (key, held[0]["valid_from"]) if held else UNKNOWN_VERSION


def by_id(dimension: list[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in dimension:
        found[row[key]].append(row)
    return dict(found)


def missing_count(dimension: dict[str, list[Row]], key: str | None) -> int:
    """Return 1 if an id names a member whose row has not come yet, else 0."""
    return int(key not in (None, *dimension))


def _flat(customer: Row) -> Row:
    address = customer["address"] or {}
    return customer | {name: address.get(name) for name in ADDRESS} | {"is_deleted": customer["deleted_at"] is not None}


def _unknown(key: str, tracked: Row) -> Row:
    return {key: UNKNOWN, **tracked, "valid_from": BEGINNING, "valid_to": END, "is_current": True}
