import json
import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal

import pytest

from retailflow_local.simulator.files import parts
from retailflow_local.simulator.trouble import Trouble, planted
from retailflow_local.simulator.world import MODULES, World

from .reading import key_of, read_all

DAY, BEFORE = date(2026, 1, 15), date(2026, 1, 14)
WORLD = World(scale=0.05)
ALL = Trouble(duplicates=0.03, resends=0.02, late=0.04, corrections=0.03, bad=0.05, new_columns=True)
NONE = Trouble.none()
PRICES = {"orders": "unit_price", "store_sales": "unit_price", "products": "list_price", "payments": "amount"}
REQUIRED = {"orders": "currency", "customers": "updated_at", "products": "name", "stores": "timezone",
            "store_sales": "product_id", "inventory": "recorded_at", "payments": "currency",
            "clickstream": "event_id"}  # fmt: skip
MOMENTS = {"orders": "ordered_at", "customers": "updated_at", "products": "updated_at", "stores": "updated_at",
           "store_sales": "sold_at_local", "payments": "occurred_at", "clickstream": "occurred_at"}  # fmt: skip
KINDS = {"orders": "status", "payments": "event_type", "clickstream": "event_type"}


def faults(feed: str, record: dict | None) -> list[str]:
    """Return what is wrong with a record, from its bytes alone."""
    if record is None:
        return ["bad.cut"]
    found = []
    lines = record["lines"] if feed == "orders" else [record]
    if record[REQUIRED[feed]] is None:
        found.append("bad.missing")
    for line in lines:
        price = line.get(PRICES.get(feed, ""), "0")
        if not re.fullmatch(r"\d+(\.\d+)?", price):
            found.append("bad.price_unparsable")
        elif Decimal(price).as_tuple().exponent < -4:
            found.append("bad.price_five_decimals")
        if feed in ("orders", "store_sales") and int(line["quantity"]) == 0:
            found.append("bad.quantity_zero")
    if record.get(KINDS.get(feed, "")) == "teleported":
        found.append("bad.status_unknown")
    if feed in MOMENTS and record[MOMENTS[feed]] is not None:
        try:
            datetime.fromisoformat(record[MOMENTS[feed]])
        except ValueError:
            found.append("bad.moment_unparsable")
    return found


def comparable(record: dict) -> str:
    return json.dumps({name: value for name, value in record.items() if name != "source_release"}, default=str)


def count_from_bytes(feed: str, day: date, before: date) -> Counter:
    """Count the records of the day by kind: bad, duplicate, correction, resend, late from the day before, or sound."""
    counts: Counter[str] = Counter()
    delivered = read_all(feed, parts(WORLD, feed, day, ALL))
    today = {comparable(record) for record in read_all(feed, parts(WORLD, feed, day, NONE))}
    yesterday = read_all(feed, parts(WORLD, feed, before, NONE))
    same_yesterday = {comparable(record) for record in yesterday}
    keys_yesterday = {key_of(feed, record) for record in yesterday}
    came_yesterday = {comparable(record) for record in read_all(feed, parts(WORLD, feed, before, ALL)) if record}
    seen: set[str] = set()
    for record in delivered:
        counts["new_column"] += record is None or record["source_release"] == "2026.1"
        wrong = faults(feed, record)
        counts.update(wrong)
        if wrong:
            continue
        content = comparable(record)
        if content in seen:
            counts["duplicate"] += 1
        elif feed == "store_sales" and record["revision"] == "2":
            counts["correction"] += 1
        elif content not in today and content in same_yesterday and content in came_yesterday:
            counts["resend"] += 1
        elif content not in today and key_of(feed, record) in keys_yesterday:
            counts["late"] += 1
        else:
            assert content in today
        seen.add(content)
    return counts


@pytest.mark.parametrize("feed", MODULES)
def test_the_bytes_have_exactly_the_planted_trouble(feed):
    assert count_from_bytes(feed, DAY, BEFORE) == planted(WORLD, feed, DAY, ALL)


def test_every_kind_of_trouble_is_planted_somewhere():
    kinds = set().union(*(planted(WORLD, feed, DAY, ALL) for feed in MODULES))
    assert kinds == {
        "duplicate", "resend", "late", "correction", "new_column", "bad.missing", "bad.price_unparsable",
        "bad.price_five_decimals", "bad.status_unknown", "bad.moment_unparsable", "bad.quantity_zero", "bad.cut",
    }  # fmt: skip


def test_each_kind_of_damage_has_its_own_number_at_the_demos_rates():
    assert planted(World(scale=0.1), "payments", DAY, Trouble.some()) == {
        "duplicate": 2, "resend": 1, "late": 2, "bad.missing": 1, "bad.price_unparsable": 1, "bad.status_unknown": 1,
        "bad.moment_unparsable": 1, "bad.cut": 1, "new_column": 418,
    }  # fmt: skip


@pytest.mark.parametrize("feed", MODULES)
def test_no_trouble_plants_nothing(feed):
    assert planted(WORLD, feed, DAY, Trouble.none()) == {}


@pytest.mark.parametrize("feed", ["orders", "customers", "store_sales", "payments", "clickstream"])
def test_a_late_record_is_missing_on_its_day_and_comes_the_next(feed):
    trouble = Trouble(late=0.05)

    def keys(day: date, with_trouble: Trouble) -> set[tuple]:
        return {key_of(feed, record) for record in read_all(feed, parts(WORLD, feed, day, with_trouble))}

    held_back = keys(BEFORE, Trouble.none()) - keys(BEFORE, trouble)
    assert held_back
    assert held_back <= keys(DAY, trouble)


def test_a_damaged_product_or_store_comes_beside_the_sound_one():
    for feed in ("products", "stores"):
        sound = [comparable(record) for record in read_all(feed, parts(WORLD, feed, DAY, Trouble.none()))]
        damaged = read_all(feed, parts(WORLD, feed, DAY, Trouble(bad=0.1)))
        assert {comparable(record) for record in damaged if record} > set(sound)


def test_a_correction_changes_the_quantity_and_keeps_the_moment():
    trouble = Trouble(corrections=0.05)
    records = read_all("store_sales", parts(WORLD, "store_sales", DAY, trouble))
    sound = [*records, *read_all("store_sales", parts(WORLD, "store_sales", BEFORE, NONE))]
    originals = {(line["receipt_id"], line["line_number"]): line for line in sound if line["revision"] == "1"}
    corrections = [record for record in records if record["revision"] == "2"]
    assert {record["receipt_id"][:9] for record in corrections} == {"R20260115", "R20260114"}
    for record in corrections:
        original = originals[record["receipt_id"], record["line_number"]]
        assert record["quantity"] != original["quantity"]
        assert record["sold_at_local"] == original["sold_at_local"]
