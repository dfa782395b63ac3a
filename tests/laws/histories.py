"""Histories of a pipeline: everything that sources, schedulers and crashes may do to it, in any order."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Protocol
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from retailflow.contracts import Table, feed_contract, gold_table
from retailflow.raw import RawStore, withdraw
from retailflow_spark.bronze import load as bronze
from retailflow_spark.delta.writer import Tables, Write
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.publish.release import publish
from retailflow_spark.silver import load as silver
from retailflow_spark.silver.balance import BalanceError

from .compare import Difference, differences
from .feed_records import DAMAGES, FIRST, NEWER, records
from .hostile import CHANGES, changed, put_anything
from .oracle import Oracle
from .sources import Record, Sent, deliver

DAYS, DELIVERIES_A_DAY = 3, 6
RUNS = ("run", "crash", "rerun", "backfill", "replay", "gold")
GOLD = (
    *("dim_date", "dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales", "fact_inventory_snapshot"),
    *("fact_web_sessions", "daily_revenue_mart", "payment_reconciliation"),
)


class Died(RuntimeError):
    """The process of a job died."""


@contextmanager
def dying(after_writes: int) -> Iterator[None]:
    """Let the job inside die right after its commit number `after_writes`, if it makes that many."""
    written, commits = Tables._written, count(1)

    def write_and_die(tables: Tables, table: Table, *counts: Any) -> Write:
        write = written(tables, table, *counts)
        if next(commits) == after_writes:
            raise Died(table.name)
        return write

    with patch.object(Tables, "_written", write_and_die), suppress(Died):
        yield


class Target(Protocol):
    """The receiver of a history's steps. Days are numbers from 0."""

    def deliver(self, feed: str, number: int, sent: list[Sent], is_early: bool = False) -> None: ...

    def withdraw(self, feed: str, number: int, which: int) -> None: ...

    def miss(self, feed: str, number: int) -> None: ...

    def night(self) -> None: ...

    def run(self, kind: str, feed: str, today: int, order: list[int], writes: int) -> None: ...

    def finish(self) -> None: ...


class Pipeline:
    """RAW, BRONZE, SILVER and GOLD on real storage; `feeds` in the order in which their jobs run."""

    def __init__(self, tables: Tables, raw: RawStore, feeds: tuple[str, ...], gold: tuple[str, ...] = GOLD) -> None:
        self.tables, self.raw, self.feeds, self.gold = tables, raw, feeds, gold
        self._numbers = count(1)
        self._batches: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._due: dict[tuple[str, int], bool] = {}
        self._missed: set[tuple[str, int]] = set()

    def deliver(self, feed: str, number: int, sent: list[Sent], is_early: bool = False) -> None:
        """Deliver one more batch, created after its day or, if early, in the morning of its day.

        The ids of batches do not follow the order of their arrival.
        """
        day = _date(number)
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=6 if is_early else 24)
        made_at = moment + timedelta(milliseconds=next(self._numbers) * 7919 % 10007)
        self._batches[feed, number].append(deliver(self.raw, feed, day, sent, made_at))
        self._due[feed, number] = True

    def withdraw(self, feed: str, number: int, which: int) -> None:
        """Let one of a day's batches count as never delivered. Do nothing if the day has none."""
        batches = self._batches[feed, number]
        if batches:
            withdraw(self.raw, feed, _date(number), batches.pop(which % len(batches)))
            self._due[feed, number] = True

    def miss(self, feed: str, number: int) -> None:
        """Let no run process this day until the end."""
        self._missed.add((feed, number))

    def night(self) -> None:
        """Do nothing: no job runs by itself."""

    def run(self, kind: str, feed: str, today: int, order: list[int], writes: int) -> None:
        if kind == "gold":
            self.refresh()
            return
        numbers = {"run": [today], "crash": [today], "rerun": order[:1], "backfill": order[:2], "replay": order}[kind]
        for number in numbers:
            if (feed, number) not in self._due.keys() - self._missed:
                continue  # nothing was delivered, so no sensor lets the job run
            if kind == "crash":
                with dying(writes):
                    self._load(feed, number)
                self._due[feed, number] = True
            else:
                self._load(feed, number)

    def refresh(self) -> None:
        for name in self.gold:
            refresh(self.tables, gold_table(name))

    def differences(self) -> list[Difference]:
        """Run all due days, as retries and the hourly search for late batches would. Compare tables and oracle."""
        for (feed, number), is_due in sorted(self._due.items(), reverse=True):
            if is_due:
                self._load(feed, number)
        self.refresh()
        delivered = {feed for feed, _ in self._due}
        gold = [f"gold.{name}" for name in self.gold]
        found = differences(self.tables, Oracle(self.raw), delivered, gold)
        if gold and (held := publish(self.tables).blocked):
            found.append(Difference("publication", "is blocked:", ", ".join(sorted(held)), 1))
        return found

    def finish(self) -> None:
        found = self.differences()
        assert not found, "\n".join(map(str, found[:20]))

    def _load(self, feed: str, number: int) -> None:
        contract, day = feed_contract(feed), _date(number)
        bronze.load_day(self.tables, self.raw, contract, day)
        with suppress(BalanceError):  # the comparison reports the wrong rows
            silver.load_day(self.tables, contract, day)
        self._due[feed, number] = False


def _date(number: int) -> date:
    return date(2026, 1, 15) + timedelta(days=number)


def machine(feeds: tuple[str, ...], begin: Callable[[], Target]) -> type[RuleBasedStateMachine]:
    """Return a state machine that draws histories of these feeds. Each history sends its steps to its own target."""
    feed, which = st.sampled_from(feeds), st.integers(0, 99)

    def some(versions: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[str, list[Record]]]:
        """Return a strategy for valid records, and for records as sources write them."""

        def of_feed(name: str) -> st.SearchStrategy:
            plain = records(name, versions)
            one = plain | changed(name, plain, st.sampled_from(CHANGES))
            return st.tuples(st.just(name), st.lists(one, min_size=1, max_size=3))

        return feed.flatmap(of_feed)

    one = feed.flatmap(lambda name: st.tuples(st.just(name), records(name, FIRST)))
    anything = feed.flatmap(
        lambda name: st.tuples(st.just(name), changed(name, records(name, NEWER), st.just(put_anything)))
    )
    steps = {
        "deliver": (some(FIRST),),
        "deliver_nothing": (feed,),
        "duplicate": (which,),
        "delay": (some(FIRST), st.integers(0, DAYS - 1)),
        "correct": (some(NEWER),),
        "correct_early": (some(NEWER),),
        "send_a_bad_record": (one, which),
        "send_anything": (anything,),
        "withdraw": (feed, st.integers(0, DAYS - 1), which),
        "miss": (feed, st.integers(0, DAYS - 1)),
        "delete_a_customer": (records("customers", NEWER),),
        "run": (st.sampled_from(RUNS), feed, st.permutations(range(DAYS)), st.integers(1, 4)),
    }
    if "customers" not in feeds:
        del steps["delete_a_customer"]
    kinds = [st.tuples(st.just(name), *steps[name]) for name in (*steps, "run", "run")]

    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.target, self.today, self.sent = begin(), 0, []

        # One rule for all steps: Hypothesis leaves out some rules in most histories, and one without a run is useless.
        @rule(step=st.one_of(kinds))
        def happens(self, step):
            name, *arguments = step
            getattr(self, name)(*arguments)

        def deliver(self, new):
            self._send(new[0], self.today, *new[1])

        correct = deliver

        def correct_early(self, new):
            """Deliver before the end of the day, and so before its run."""
            self._send(new[0], min(self.today + 1, DAYS - 1), *new[1], is_early=True)

        def deliver_nothing(self, feed):
            self._send(feed, self.today)

        def duplicate(self, which):
            if self.sent:
                feed, sent = self.sent[which % len(self.sent)]
                self._send(feed, self.today, *sent, *sent[:1])

        def delay(self, late, number):
            self._send(late[0], min(number, self.today), *late[1])

        def send_a_bad_record(self, new, which):
            damage = DAMAGES[new[0]][which % len(DAMAGES[new[0]])]
            self._send(new[0], self.today, new[1], new[1] | damage if isinstance(damage, dict) else damage)

        def send_anything(self, new):
            self._send(new[0], self.today, new[1])

        def withdraw(self, feed, number, which):
            self.target.withdraw(feed, number, which)

        def miss(self, feed, number):
            self.target.miss(feed, number)

        def delete_a_customer(self, gone):
            self._send("customers", self.today, gone | {"deleted_at": gone["updated_at"]})

        def run(self, kind, feed, order, writes):
            self.target.run(kind, feed, self.today, order, writes)

        def _send(self, feed: str, number: int, *sent: Sent, is_early: bool = False) -> None:
            self.target.deliver(feed, number, list(sent), is_early)
            self.sent += [(feed, list(sent))]
            if len(self.sent) % DELIVERIES_A_DAY == 0:
                self.today = min(self.today + 1, DAYS - 1)
                self.target.night()

        def teardown(self) -> None:
            self.target.finish()

    return Histories
