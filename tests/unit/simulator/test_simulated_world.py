import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from retailflow_local.simulator.world import ALL_FEEDS, World

DAY = date(2026, 1, 15)
WORLD = World(scale=0.02)
DIGEST = """
import hashlib, sys
from datetime import date
from retailflow_local.simulator.files import parts
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import ALL_FEEDS, World
order = ALL_FEEDS if sys.argv[1] == "forward" else ALL_FEEDS[::-1]
found = {feed: parts(World(7, 0.01), feed, date(2026, 1, 15), Trouble.some()) for feed in order}
print(hashlib.sha256(b"".join(part.payload for feed in ALL_FEEDS for part in found[feed])).hexdigest())
"""


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def test_the_bytes_are_the_same_in_any_process_and_any_order_of_calls():
    def digest(order: str, hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", DIGEST, order]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    first = digest("forward", "1")
    assert len(first) == 65
    assert digest("backward", "2") == first


@pytest.mark.parametrize("feed", ["orders", "customers", "store_sales", "inventory", "payments", "clickstream"])
def test_another_seed_is_another_world(feed):
    assert World(7, 0.02).records(feed, DAY) == World(7, 0.02).records(feed, DAY)
    assert World(8, 0.02).records(feed, DAY) != World(7, 0.02).records(feed, DAY)


@pytest.mark.parametrize(
    ("feed", "at_scale_one"),
    [("orders", 5840), ("customers", 1700), ("products", 500), ("store_sales", 5400), ("inventory", 5000),
     ("payments", 4150), ("clickstream", 50_000)],
)  # fmt: skip
def test_a_day_grows_with_the_scale(feed, at_scale_one):
    for scale in (0.05, 0.2):
        assert len(World(7, scale).records(feed, DAY)) == pytest.approx(at_scale_one * scale, rel=0.12)


def test_scale_one_places_two_thousand_orders_a_day():
    placed = [order for order in World(7, 0.1).orders_of(DAY) if order["ordered_at"].startswith("2026-01-15")]
    assert len(placed) == 200


def test_an_orders_feed_is_what_changed_that_day_by_updated_at_and_id():
    changed = WORLD.orders_of(DAY)
    assert {order["updated_at"][:10] for order in changed} == {"2026-01-15"}
    versions = [(order["updated_at"], order["order_id"]) for order in changed]
    assert versions == sorted(versions)
    assert len({order_id for _, order_id in versions}) == len(versions)


def test_an_order_keeps_its_ordered_at_and_its_sold_lines_while_its_status_moves_on():
    history: dict[str, list[dict]] = {}
    for day in days(DAY, 12):
        for order in World(7, 0.1).orders_of(day):
            if order["ordered_at"].startswith("2026-01-15"):
                history.setdefault(order["order_id"], []).append(order)
    assert len(history) == 200
    for versions in history.values():
        assert len({order["ordered_at"] for order in versions}) == 1
        assert [order["updated_at"] for order in versions] == sorted({order["updated_at"] for order in versions})
        first, last = versions[0]["lines"], versions[-1]["lines"]
        assert last[: len(first)] == first
    ends = Counter(versions[-1]["status"] for versions in history.values())
    assert set(ends) == {"delivered", "cancelled", "returned"}
    assert ends["delivered"] > 150


def test_a_returned_order_comes_again_whole_with_negative_lines_added():
    returned = [order for order in World(7, 0.1).orders_of(DAY) if order["status"] == "returned"]
    signs = [tuple(sorted({line["quantity"] > 0 for line in order["lines"]})) for order in returned]
    assert (False, True) in signs
    assert (False,) in signs  # a return that is an order of its own
    assert (True,) not in signs
    for order in returned:
        assert [line["line_number"] for line in order["lines"]] == list(range(1, len(order["lines"]) + 1))


def test_every_buyer_of_the_day_is_in_the_crm_feed():
    customers = {customer["customer_id"] for customer in WORLD.customers_of(DAY)}
    placed = [order for order in WORLD.orders_of(DAY) if order["ordered_at"].startswith("2026-01-15")]
    buyers = {order["customer_id"] for order in placed}
    assert None in {order["customer_id"] for order in World(7, 0.1).orders_of(DAY)}  # a guest
    assert len(buyers) > 20
    assert buyers - {None} <= customers


def test_sales_stock_and_views_refer_to_products_and_stores_that_exist():
    products = {product["product_id"] for product in WORLD.records("products", DAY)}
    stores = {store["store_id"] for store in WORLD.records("stores", DAY)}
    lines = [line for order in WORLD.orders_of(DAY) for line in order["lines"]]
    sales, stock = WORLD.records("store_sales", DAY), WORLD.records("inventory", DAY)
    views = [event for event in WORLD.records("clickstream", DAY) if event["event_type"] == "product_view"]
    assert len(stores) == 21
    assert {row["product_id"] for row in [*lines, *sales, *stock, *views]} <= products
    assert {row["store_id"] for row in [*sales, *stock]} <= stores


def test_payments_and_purchases_refer_to_orders():
    orders = {order["order_id"]: order for day in days(DAY - timedelta(12), 13) for order in WORLD.orders_of(day)}
    payments = WORLD.records("payments", DAY)
    purchases = [event for event in WORLD.records("clickstream", DAY) if event["event_type"] == "purchase"]
    assert {payment["order_id"] for payment in payments} <= set(orders)
    assert 20 <= len(purchases) <= 36
    for purchase in purchases:
        order = orders[purchase["order_id"]]
        assert (purchase["customer_id"], purchase["occurred_at"]) == (order["customer_id"], order["ordered_at"])


def test_payments_reconcile_with_their_orders_but_for_a_few():
    world = World(7, 0.2)
    due: dict[str, Decimal] = {}
    for day in days(DAY, 11):
        for order in world.orders_of(day):
            if order["ordered_at"].startswith("2026-01-15"):
                due[order["order_id"]] = Decimal(0) if order["status"] == "cancelled" else amount_due(order)
    paid = dict.fromkeys(due, Decimal(0))
    kinds: Counter[str] = Counter()
    for event in (event for day in days(DAY, 14) for event in world.records("payments", day)):
        sign = {"captured": 1, "refunded": -1, "chargeback": -1}.get(event["event_type"], 0)
        if event["order_id"] in paid:
            kinds[event["event_type"]] += 1
            paid[event["order_id"]] += sign * Decimal(event["amount"])
    differ = [order_id for order_id in due if due[order_id] != paid[order_id]]
    assert len(due) == 400
    assert 1 <= len(differ) <= 20
    assert set(kinds) == {"authorized", "captured", "refunded", "voided", "chargeback"}


def amount_due(order: dict) -> Decimal:
    total = Decimal(order["shipping"]["amount"])
    for line in order["lines"]:
        total += line["quantity"] * Decimal(line["unit_price"])
        total += Decimal(line["tax_amount"]) - Decimal(line["discount_amount"])
    return total


def test_discount_and_tax_have_the_sign_of_the_quantity_and_at_most_four_decimals():
    world = World(7, 0.2)
    lines = [line for order in world.orders_of(DAY) for line in order["lines"]] + world.records("store_sales", DAY)
    seen = set()
    for line in lines:
        assert line["quantity"] != 0
        assert Decimal(line["unit_price"]) >= 0
        sign = 1 if line["quantity"] > 0 else -1
        for name in ("discount_amount", "tax_amount"):
            assert not line[name].startswith("-0") or Decimal(line[name]) < 0
            assert Decimal(line[name]) * sign >= 0
            seen.add((name, sign, Decimal(line[name]) != 0))
        for name in ("unit_price", "discount_amount", "tax_amount"):
            assert -4 <= int(Decimal(line[name]).as_tuple().exponent) <= 0
    assert {("discount_amount", -1, True), ("discount_amount", 1, True), ("tax_amount", -1, True)} <= seen
    assert any(Decimal(line["unit_price"]) == 0 for line in lines)  # a gift
    assert any(line["unit_price"][::-1].find(".") == 4 for line in lines)


def test_customers_change_over_the_days_and_most_touches_change_nothing():
    tracked = ("first_name", "last_name", "email", "phone", "birth_date", "address", "segment", "loyalty_tier",
               "marketing_consent", "deleted_at")  # fmt: skip
    known: dict[str, tuple] = {}
    changes, same, deletions = Counter(), 0, 0
    for day in days(date(2026, 1, 1), 25):
        for customer in World(7, 0.1).customers_of(day):
            now = tuple(customer[name] for name in tracked)
            before = known.get(customer["customer_id"])
            if before == now:
                same += 1
            elif before:
                changes.update(name for name, a, b in zip(tracked, before, now, strict=True) if a != b)
            deletions += customer["deleted_at"] is not None
            known[customer["customer_id"]] = now
    assert {"address", "loyalty_tier", "email", "phone", "segment", "marketing_consent", "last_name"} <= set(changes)
    assert same > sum(changes.values())
    assert deletions >= 1


def test_the_first_day_brings_every_customer_and_a_later_day_those_touched():
    assert len(WORLD.customers_of(date(2026, 1, 1))) > 95
    assert len(WORLD.customers_of(date(2026, 1, 2))) < 60


def test_products_change_their_price_with_a_later_updated_at():
    versions: dict[str, dict[str, set[str]]] = {}
    for day in days(date(2026, 1, 1), 60):
        for product in WORLD.records("products", day):
            prices = versions.setdefault(product["product_id"], {})
            prices.setdefault(product["updated_at"], set()).add(product["list_price"])
    assert all(len(prices) == 1 for at in versions.values() for prices in at.values())
    assert sum(len({min(prices) for prices in at.values()}) > 1 for at in versions.values()) >= 10


def test_a_shop_sells_for_two_days_after_it_closed_and_then_no_more():
    def selling(day: date) -> set[str]:
        return {line["store_id"] for line in World(7, 0.2).records("store_sales", day)}

    closed = {store["store_id"]: store["closed_on"] for store in WORLD.records("stores", date(2026, 2, 17))}
    assert {store: on for store, on in closed.items() if on} == {"store_009": "2026-02-15"}
    assert "store_009" in selling(date(2026, 2, 17))
    assert "store_009" not in selling(date(2026, 2, 18))


def test_shops_west_of_greenwich_hand_in_their_day_when_it_has_ended():
    sold = {line["store_id"]: line["sold_at_local"][:10] for line in World(7, 0.2).records("store_sales", DAY)}
    assert sold["store_001"] == "2026-01-15"  # Berlin
    assert sold["store_017"] == "2026-01-14"  # New York


def test_a_till_that_is_open_all_night_sells_in_the_hour_the_clocks_repeat():
    lines = World(7, 1.0).records("store_sales", date(2026, 10, 25))
    assert any(line["sold_at_local"].startswith("2026-10-25T02:") for line in lines if line["store_id"] == "store_001")


def test_events_are_received_on_their_day_though_some_visits_began_the_day_before():
    events = World(7, 0.2).records("clickstream", DAY)
    assert {event["received_at"][:10] for event in events} == {"2026-01-15"}
    of_yesterday = [event for event in events if (event["session_id"] or "").startswith("s-2026-01-14")]
    assert of_yesterday
    assert any(event["session_id"] is None for event in events)


@pytest.mark.parametrize("feed", ALL_FEEDS)
def test_the_world_answers_for_days_long_before_and_after(feed):
    for day in (date(2016, 2, 29), date(2031, 7, 1)):
        assert World(7, 0.01).records(feed, day)
