"""A large day on two cores and 8 GiB: 10,000,000 clicks and 1,000,000 order lines through BRONZE, SILVER and GOLD.

The benchmark measures the CPU of each table, spilled bytes, and the peak memory of Spark and its Python workers. The
server has the settings of a cluster and 4 GiB of heap. All products, shops and customers are unknown members.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial

import psutil
from space import Space, space, to_bronze, to_silver
from targets import Target

from retailflow.contracts import feed_contract, gold_table
from retailflow.manifests import ulid
from retailflow.raw import Part, deliver, join_pages
from retailflow_local.simulator import encode
from retailflow_local.simulator.orders import fates, order_at
from retailflow_local.simulator.web import VISITS, browsing
from retailflow_local.simulator.world import World
from retailflow_spark.gold.refresh import refresh

DAY = date(2026, 1, 15)
CLICKS = 10_000_000
CLICKS_AT_SCALE_1 = 40_000  # clicks that arrive on their day, with about 5,000 order lines
MEMORY_GIB = 8
FEEDS = ("clickstream", "orders")
GOLD = ("dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales", "fact_web_sessions")


def measure(clicks: int = CLICKS) -> dict:
    world = World(7, clicks / CLICKS_AT_SCALE_1)
    with space(heap="4g") as made, memory(made) as peak:
        raw = made.raw_store()
        rows = {"clickstream": 0, "orders": 0}
        with ProcessPoolExecutor(2) as pool:
            chunks = {
                "clickstream": pool.map(partial(clicks_of, world), range(0, world.count(VISITS), 8_000)),
                "orders": pool.map(partial(orders_of, world), range(0, world.count(2000), 8_000)),
            }
            for feed, parts in chunks.items():
                for number, part in enumerate(parts):
                    at = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(days=1, seconds=number)
                    deliver(raw, feed, DAY, ulid(at, feed, str(number)), at, [part])
                    rows[feed] += part.records
        work = {f"bronze.{feed}": partial(to_bronze, made, feed_contract(feed), DAY) for feed in FEEDS}
        work |= {f"silver.{feed}": partial(to_silver, made, feed_contract(feed), DAY) for feed in FEEDS}
        work |= {f"gold.{name}": partial(built, made, name) for name in GOLD}
        found = {"records": rows}
        for table, do in work.items():
            peak.clear()
            found[table] = made.measured(do) | Counter(peak)
        with made.tables() as tables:
            return found | {"order_lines": tables.read("gold.fact_sales").count()}


def built(made: Space, name: str) -> None:
    with made.tables() as tables:
        refresh(tables, gold_table(name))


def clicks_of(world: World, start: int) -> Part:
    """Return a file of the collector: the day's events of some visits."""
    visits = range(start, min(start + 8_000, world.count(VISITS)))
    events = (event for index in visits for event in browsing(world, DAY, index))
    of_day = [event for event in events if event["received_at"].startswith(str(DAY))]
    return Part(".ndjson.gz", encode.zipped(encode.ndjson(of_day)), len(of_day))


def orders_of(world: World, start: int) -> Part:
    """Return a file of pages: some orders that were placed on the day."""
    orders = [order_at(world, fate, DAY) for fate in fates(world, DAY)[start : start + 8_000]]
    pages = [encode.page("orders", orders, offset) for offset in range(0, len(orders), encode.PAGE_LIMIT)]
    return Part(".json", join_pages(pages), len(orders))


@contextmanager
def memory(made: Space) -> Iterator[dict[str, float]]:
    """Yield the peak GiB since the dict was last cleared: of the Spark server, of its Python workers, and of both.

    A thread samples them twice a second. Pages that workers share are counted once. Processes that the server forks
    for `chmod` are not counted, because they share its pages for a moment.
    """
    found, is_over = {}, threading.Event()

    def look() -> None:
        while not is_over.wait(0.5):
            with suppress(psutil.NoSuchProcess):
                server = made.processes.find("spark")
                workers = [one for one in server.children(recursive=True) if "python" in one.name()]
                own, *others = (one.memory_full_info().pss / 2**30 for one in (server, *workers))
                now = {"server_gib": own, "workers_gib": sum(others), "memory_gib": own + sum(others)}
                found.update({name: round(max(found.get(name, 0), gib), 2) for name, gib in now.items()})

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


def targets(figures: dict) -> list[Target]:
    clicks, lines = figures["records"]["clickstream"], figures["order_lines"]
    day = f"a day of {clicks} clicks and {lines} order lines"
    steps = [one for one in figures.values() if isinstance(one, dict) and "memory_gib" in one]
    memory_gib, spilled = max(one["memory_gib"] for one in steps), sum(one.get("bytes_spilled", 0) for one in steps)
    return [
        Target(f"GiB of memory of Spark and its Python workers at most, {day}", MEMORY_GIB, memory_gib),
        Target(f"Bytes spilled to disk, {day}", 0, spilled, reported=True),
    ]
