"""Readers during publications and failed audits: every statement sees one audited release."""

from itertools import count
from threading import Event, Thread

import pytest
from shop import BOTH, BUILT, MART, Shop

from retailflow_local.spark_client import session


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reads", [50, 1000])
def test_no_statement_sees_a_mixture_or_what_failed_its_audit(workspace, tables, raw, reads):
    shop = Shop(tables, raw)
    shop.sell("10")
    shop.build()
    shop.publish()
    seen, failures, has_moved, is_done = [], [], Event(), Event()

    def read() -> None:
        try:
            with session(workspace.spark_remote) as spark:
                is_last = False
                while not is_last:
                    is_last = len(seen) >= reads - 1 and has_moved.is_set()  # it begins after a move
                    seen.append(tuple(map(str, spark.sql(BOTH).first())))
        except Exception as error:
            failures.append(error)
        finally:
            is_done.set()

    reader = Thread(target=read)
    reader.start()
    prices = count(20, 10)
    try:
        while not is_done.is_set():
            shop.sell(str(next(prices)))
            shop.build(*BUILT[:5])
            assert not shop.publish().blocked  # the facts are there, the mart is still to be built
            shop.build(*BUILT[5:])
            shop.spoil()
            assert MART in shop.publish().blocked
            shop.spoil(-1)
            assert MART in shop.publish().versions
            has_moved.set()
    finally:
        has_moved.set()
        reader.join()

    assert failures == []
    assert len(seen) >= reads
    assert {mart == facts for mart, facts in seen} == {True}
    audited = [f"{price}.0000" for price in range(10, next(prices), 10)]
    changes = list(dict.fromkeys(mart for mart, _ in seen))
    assert len(changes) > 1
    assert changes == [revenue for revenue in audited if revenue in changes], (
        "a reader went back, or saw what never was"
    )
