"""The versions of a customer give the same intervals in any order of arrival (law 6).

Each of the 120 orders of five versions has its own customer, so that the runs of five days prove all orders.
"""

from datetime import date, timedelta
from itertools import permutations

import pytest
from pipeline import put, run_day
from pyspark.sql import functions as F

from retailflow.contracts import gold_table
from retailflow_spark.gold.refresh import refresh

pytestmark = pytest.mark.full
FIRST = date(2026, 2, 6)
BEGINNING, END = "0001-01-01 00:00:00", "9999-12-31 00:00:00"
# Version 1 changes no tracked column, version 2 sets nulls, version 3 deletes and version 4 restores the customer.
VERSIONS = (
    {"updated_at": "2026-02-01T00:00:00Z", "segment": "a", "created_at": "2020-01-01T00:00:00Z"},
    {"updated_at": "2026-02-02T00:00:00Z", "segment": "a", "created_at": "2021-01-01T00:00:00Z"},
    {"updated_at": "2026-02-03T00:00:00Z", "segment": None, "address": {"country": None}},
    {"updated_at": "2026-02-04T00:00:00Z", "segment": None, "deleted_at": "2026-02-04T00:00:00Z"},
    {"updated_at": "2026-02-05T00:00:00Z", "segment": "a"},
)
INTERVALS = [
    ("a", "false", BEGINNING, "2026-02-03 00:00:00", "false"),
    (None, "false", "2026-02-03 00:00:00", "2026-02-04 00:00:00", "false"),
    (None, "true", "2026-02-04 00:00:00", "2026-02-05 00:00:00", "false"),
    ("a", "false", "2026-02-05 00:00:00", END, "true"),
]
ORDERS = list(permutations(range(5)))


def name_of(order: tuple[int, ...], prefix: str = "") -> str:
    return prefix + "".join(map(str, order))


@pytest.fixture(scope="module")
def found(module_tables, module_raw) -> dict[str, list[tuple]]:
    """Return the intervals of each customer. On day n, version order[n] arrives.

    For the "tied" customers, version 4 has the moment of version 3. The days are delivered and run out of order, so
    that the last run does not have the latest ingestion date.
    """
    tables, raw = module_tables, module_raw
    for number in (3, 0, 4, 1, 2):
        day = FIRST + timedelta(days=number)
        sent = [{"customer_id": name_of(order), **VERSIONS[order[number]]} for order in ORDERS]
        tied = [{**VERSIONS[order[number]], "customer_id": name_of(order, "tied ")} for order in ORDERS]
        for record in tied:
            if record["updated_at"] == VERSIONS[4]["updated_at"]:
                record["updated_at"] = VERSIONS[3]["updated_at"]
        put(raw, "customers", day, *sent, *tied)
        run_day(tables, raw, "customers", day)
        refresh(tables, gold_table("dim_customer"))
    columns = ("segment", "is_deleted", "valid_from", "valid_to", "is_current")
    rows = tables.read("gold.dim_customer").orderBy("customer_id", "valid_from")
    intervals: dict[str, list[tuple]] = {}
    for row in rows.select("customer_id", *(F.col(name).cast("string") for name in columns)).collect():
        intervals.setdefault(row[0], []).append(tuple(row)[1:])
    return intervals


def test_all_120_orders_of_five_versions_give_the_same_intervals(found):
    assert len(ORDERS) == 120
    assert {name: found[name] for name in map(name_of, ORDERS)} == dict.fromkeys(map(name_of, ORDERS), INTERVALS)


def test_of_versions_of_one_moment_the_one_delivered_later_holds_in_every_order(found):
    beginning, nulled = INTERVALS[:2]
    deleted = [beginning, nulled, (None, "true", "2026-02-04 00:00:00", END, "true")]
    back = [beginning, nulled, ("a", "false", "2026-02-04 00:00:00", END, "true")]
    wanted = {name_of(order, "tied "): back if order.index(4) > order.index(3) else deleted for order in ORDERS}
    assert {name: found[name] for name in wanted} == wanted
