"""A source API to RAW: the simulator's real API, throttled, and real Azurite. No Spark.

An API that misbehaves: tests/unit/test_source_api.py.
"""

import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
import uvicorn

from retailflow.environments import Source
from retailflow.raw import batches_path, is_complete, join_pages
from retailflow_local.processes import any_free_port
from retailflow_local.simulator.api import create_app
from retailflow_local.simulator.dice import midnight, stamp
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import World
from retailflow_spark.bronze.ingest import deliver_pages
from retailflow_spark.bronze.source_api import SourceError, TimeLimit, pages

DAY = date(2026, 1, 15)
TOKEN = "a-token-that-no-message-may-show"
WORLD = World(7, 0.1)
EVENING = stamp(midnight(DAY) - timedelta(hours=6))
ORDERS = [order for order in WORLD.orders_of(DAY - timedelta(days=1)) if order["updated_at"] >= EVENING]
ORDERS += WORLD.orders_of(DAY)


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    app = create_app(WORLD, {"orders": TOKEN, "customers": TOKEN}, Trouble.none(), throttle_every=4)
    port = any_free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield Source(base_url=f"http://127.0.0.1:{port}/orders/v1", token_secret="unused")
    server.should_exit = True
    thread.join(10)


class Dying:
    """A store whose writer is killed right before, or right after, its n-th write."""

    def __init__(self, store, writes: int, after: bool) -> None:
        self._store, self._left, self._after = store, writes, after

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def create(self, path: str, payload: bytes) -> bool:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise KeyboardInterrupt
        created = self._store.create(path, payload)
        if self._left < 0:
            raise KeyboardInterrupt
        return created


def test_pages_are_kept_byte_for_byte_and_throttling_loses_none(raw, source):
    deliver_pages(raw, "orders", DAY, source, TOKEN, TimeLimit(30))
    (manifest,) = raw.manifests("orders", DAY)
    (file,) = manifest.files
    payload = raw.read(f"orders/ingestion_date=2026-01-15/{file.name}")
    received = [page.payload for page in pages(source, "orders", DAY, TOKEN, TimeLimit(30))]
    assert len(received) == 2
    assert payload == join_pages(received)
    orders = [order for page in json.loads(payload) for order in page["orders"]]
    assert orders == ORDERS
    assert len(ORDERS) > len(WORLD.orders_of(DAY)) > 300
    assert file.records == len(orders)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_killed_at_any_write_no_half_batch_is_visible_and_the_next_try_completes_it(raw, source, writes, after):
    with pytest.raises(KeyboardInterrupt):
        deliver_pages(Dying(raw, writes, after), "orders", DAY, source, TOKEN, TimeLimit(30))
    assert is_complete(raw, "orders", DAY) == (writes == 2 and after)
    for manifest in raw.manifests("orders", DAY):  # whatever is visible is whole
        assert raw.exists(f"orders/ingestion_date=2026-01-15/{manifest.files[0].name}")
    left = {name: raw.read(name) for name in raw.names("orders/")}

    deliver_pages(raw, "orders", DAY, source, TOKEN, TimeLimit(30))
    assert is_complete(raw, "orders", DAY)
    assert [sum(file.records for file in m.files) for m in raw.manifests("orders", DAY)] == [len(ORDERS)]
    assert {name: raw.read(name) for name in left} == left


def test_a_delivery_in_raw_is_never_overwritten(raw):
    assert [raw.create("stores/batch", payload) for payload in (b"first", b"second")] == [True, False]
    assert raw.read("stores/batch") == b"first"


def test_a_complete_day_is_left_alone_and_the_source_is_not_asked(raw, source):
    deliver_pages(raw, "orders", DAY, source, TOKEN, TimeLimit(30))
    before = raw.names("orders/")
    nowhere = Source(base_url="http://127.0.0.1:9/orders/v1", token_secret="unused")
    said = deliver_pages(raw, "orders", DAY, nowhere, TOKEN, TimeLimit(30))
    assert said == "orders 2026-01-15: already complete in RAW, nothing asked of the source"
    assert raw.names("orders/") == before


def test_a_refused_token_fails_with_a_sentence_that_does_not_show_it(raw, source):
    with pytest.raises(SourceError, match="page 1 of 2026-01-15: answered 401 Unauthorized") as refused:
        deliver_pages(raw, "orders", DAY, source, TOKEN + "x", TimeLimit(30))
    assert TOKEN not in str(refused.value)
    assert raw.names(batches_path("orders", DAY)) == []
