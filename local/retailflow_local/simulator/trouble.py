"""The trouble that real sources make, planted where it can be counted."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from retailflow.contracts import feed_contract as contract
from retailflow_local.simulator import any_feed
from retailflow_local.simulator.world import World

SOUND = "sound"
NEW_COLUMN = ("source_release", "2026.1")
_ARRIVAL = {"payments": "recorded_at", "clickstream": "received_at"}
_BAD_MOMENT = "2026-02-30T25:61:00Z"

# For each feed the possible damages of a record, as (kind, field, value). In an order the first line is damaged. `cut`
# is a line that is cut short: invalid JSON, or a CSV line with too few columns. Other feeds: `any_feed.damages`.
DAMAGES: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "orders": (
        ("missing", "currency", None),
        ("price_unparsable", "unit_price", "12,50 EUR"),
        ("price_five_decimals", "unit_price", "12.34567"),
        ("status_unknown", "status", "teleported"),
        ("moment_unparsable", "ordered_at", _BAD_MOMENT),
        ("quantity_zero", "quantity", 0),
    ),
    "customers": (("missing", "updated_at", None), ("moment_unparsable", "updated_at", _BAD_MOMENT)),
    "products": (
        ("missing", "name", None),
        ("price_unparsable", "list_price", "12,50 EUR"),
        ("moment_unparsable", "updated_at", _BAD_MOMENT),
    ),
    "stores": (("missing", "timezone", None), ("moment_unparsable", "updated_at", _BAD_MOMENT), ("cut", "", None)),
    "store_sales": (
        ("missing", "product_id", None),
        ("price_unparsable", "unit_price", "12,50 EUR"),
        ("price_five_decimals", "unit_price", "12.34567"),
        ("moment_unparsable", "sold_at_local", "2026-02-30T25:61:00"),
        ("quantity_zero", "quantity", 0),
        ("cut", "", None),
    ),
    "inventory": (("missing", "recorded_at", None),),
    "payments": (
        ("missing", "currency", None),
        ("price_unparsable", "amount", "12,50 EUR"),
        ("status_unknown", "event_type", "teleported"),
        ("moment_unparsable", "occurred_at", _BAD_MOMENT),
        ("cut", "", None),
    ),
    "clickstream": (
        ("missing", "event_id", None),
        ("status_unknown", "event_type", "teleported"),
        ("moment_unparsable", "occurred_at", _BAD_MOMENT),
        ("cut", "", None),
    ),
}


@dataclass(frozen=True)
class Trouble:
    """Shares of a day's records. Any share above zero plants at least one record of its kind, if there are enough."""

    duplicates: float = 0.0  # the same record again in the same day
    resends: float = 0.0  # a record of the day before again, identical to the byte
    late: float = 0.0  # a record of the day before that did not arrive then
    corrections: float = 0.0  # a till's line again as revision 2 with another quantity, the same day or the next
    bad: float = 0.0  # all damaged records together, spread over the kinds in DAMAGES
    new_columns: bool = False  # a field that no contract knows, in every record

    @classmethod
    def none(cls) -> "Trouble":
        return cls()

    @classmethod
    def some(cls) -> "Trouble":
        """Return the demo's setting: about one record in fifty is trouble."""
        return cls(duplicates=0.005, resends=0.003, late=0.004, corrections=0.004, bad=0.004, new_columns=True)


def damages_of(feed: str) -> tuple[tuple[str, str, Any], ...]:
    """Return the possible damages of a record of any feed, as (kind, field, value)."""
    return DAMAGES[feed] if feed in DAMAGES else any_feed.damages(contract(feed))


def is_snapshot(feed: str) -> bool:
    """Return whether a day's delivery has all records, so that no record comes late."""
    return feed == "inventory" or (contract(feed).delivery == "file" and not contract(feed).event_date)


def is_master(feed: str) -> bool:
    """Return whether other records of the day refer to these: a damaged copy then comes beside the sound record."""
    return is_snapshot(feed) and feed != "inventory"


class Cut(dict):
    """A record whose line is cut short when it is encoded."""


def delivered(world: World, feed: str, day: date, trouble: Trouble) -> list[tuple[str, dict]]:
    """Return the records that a day's feed delivers, each with its kind: `sound`, `duplicate`, `resend`, `late`,
    `correction`, or `bad.<kind>`. Late records are missing on their own day; damaged records replace sound ones."""
    records = world.records(feed, day)
    plan = _plan(world, feed, day, len(records), trouble)
    result: list[tuple[str, dict]] = []
    extra: list[tuple[str, dict]] = []
    for index, record in enumerate(records):
        kind = plan.get(index, SOUND)
        if kind == "late":
            continue
        if kind.startswith("bad.") and not is_master(feed):
            result.append((kind, _damaged(feed, record, kind)))
            continue
        result.append((SOUND, record))
        if kind == "duplicate":
            extra.append((kind, record))
        elif kind == "correction":
            extra.append((kind, corrected(record, revision=2)))
        elif kind.startswith("bad."):
            extra.append((kind, _damaged(feed, record, kind)))
    result += extra + _from_yesterday(world, feed, day, trouble)
    if trouble.new_columns:
        result = [(kind, type(record)({**record, NEW_COLUMN[0]: NEW_COLUMN[1]})) for kind, record in result]
    return result


def planted(world: World, feed: str, day: date, trouble: Trouble) -> Counter[str]:
    """Return the count of each kind of trouble in the day's feed; `new_column` counts records with one more field."""
    found = delivered(world, feed, day, trouble)
    counts = Counter(kind for kind, _ in found if kind != SOUND)
    if trouble.new_columns:
        counts["new_column"] = len(found)
    return counts


def corrected(line: dict, revision: int) -> dict:
    """Return a till's line with one more unit sold or returned."""
    return {**line, "revision": revision, "quantity": line["quantity"] + (1 if line["quantity"] > 0 else -1)}


def arrived(feed: str, record: dict, day: date) -> dict:
    """Return the record as it arrives just after midnight of a later day, with that time if the feed has an arrival."""
    field = _ARRIVAL.get(feed)
    if field is None:
        return record
    zone = record[field][23:]
    at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=int(record[field][17:19]))
    return {**record, field: at.isoformat(timespec="milliseconds") + zone}


def _from_yesterday(world: World, feed: str, day: date, trouble: Trouble) -> list[tuple[str, dict]]:
    if is_snapshot(feed) or not (trouble.late or trouble.resends or trouble.corrections):
        return []
    records = world.records(feed, day - timedelta(days=1))
    result = []
    for index, kind in _plan(world, feed, day - timedelta(days=1), len(records), trouble).items():
        if kind == "late":
            result.append((kind, arrived(feed, records[index], day)))
        elif kind == "resend":
            result.append((kind, records[index]))
        elif kind == "correction.later":
            result.append(("correction", corrected(records[index], revision=2)))
    return result


def _plan(world: World, feed: str, day: date, count: int, trouble: Trouble) -> dict[int, str]:
    """Return the kind of trouble by index of a record. No record gets two kinds, and at most half get any."""
    kinds: list[str] = []

    def plant(kind: str, share: float) -> None:
        kinds.extend([kind] * (max(1, round(share * count)) if share else 0))

    plant("duplicate", trouble.duplicates)
    if not is_snapshot(feed):
        plant("late", trouble.late)
        plant("resend", trouble.resends)
    if feed == "store_sales":
        plant("correction", trouble.corrections / 2)
        plant("correction.later", trouble.corrections / 2)
    damages = damages_of(feed)
    for name, _, _ in damages:
        plant(f"bad.{name}", trouble.bad / len(damages))
    indices = world.rng("trouble", feed, day).sample(range(count), min(len(kinds), count // 2))
    return dict(zip(indices, kinds, strict=False))


def _damaged(feed: str, record: dict, kind: str) -> dict:
    field, value = next((field, value) for name, field, value in damages_of(feed) if f"bad.{name}" == kind)
    if not field:
        return Cut(record)
    if field not in record:
        first, *others = record["lines"]
        return {**record, "lines": [{**first, field: value}, *others]}
    return {**record, field: value}
