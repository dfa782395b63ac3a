"""What must hold of GOLD before readers see it.

An audit is asked of the state that a publication would leave, and looks only at what the publication would change. A
blocking one holds its table back; a warning is reported.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, gold_tables
from retailflow_spark.balance import open_dates
from retailflow_spark.gold.fact_web_sessions import with_visitor
from retailflow_spark.gold.payment_reconciliation import of_some_order
from retailflow_spark.gold.scd2 import beginning, end
from retailflow_spark.tables import Tables

DIMENSIONS = {"customer_sk": "gold.dim_customer", "product_sk": "gold.dim_product"}
MART, FACTS = "gold.daily_revenue_mart", "gold.fact_sales"
_SUMMED = ("unit_count", "gross_amount", "discount_amount", "net_amount", "tax_amount")
# Where a key with two rows in SILVER would not show as one with two here: rows are added up, or one takes the other's
# place. Per table its source, the key of that, and the column that both have.
_HIDES_ROWS_OF = {
    "gold.fact_web_sessions": ("silver.clickstream", "event_id", with_visitor, "anonymous_id"),
    "gold.payment_reconciliation": ("silver.payments", "payment_event_id", of_some_order, "order_id"),
}
_GROUP = ("business_date", "channel", "store_id", "currency")


class State:
    """GOLD as a publication would leave it: each table at its `wanted` version. `published` is what readers see now."""

    def __init__(self, tables: Tables, wanted: Mapping[str, int], published: Mapping[str, int]) -> None:
        self.tables, self.wanted, self.published = tables, wanted, published

    def __getitem__(self, name: str) -> DataFrame:
        return self.tables.read(name, self.wanted[name])

    @cached_property
    def open_dates(self) -> Counter[str]:
        """Per feed, the ingestion dates whose newest check found records lost or doubled."""
        return Counter(feed for feed, _ in open_dates(self.tables))

    def changed(self, name: str) -> DataFrame:
        """The rows that would be inserted, deleted or updated (before and after); all of a table new to readers."""
        if name not in self.published:
            return self[name]
        if self.wanted[name] == self.published[name]:
            return self[name].limit(0)
        return self.tables.changes(name, self.published[name] + 1, self.wanted[name])


@dataclass(frozen=True)
class Finding:
    """That rows break an audit. A blocking one holds `table` back; else it is a warning."""

    table: str
    audit: str
    sentence: str
    count: int
    is_blocking: bool = True

    def __str__(self) -> str:
        return f"{self.table}: {self.sentence} ({self.count:,} such, audit {self.audit})"


@dataclass(frozen=True)
class Audit:
    """One query about `table`. `looks_at` are the GOLD tables it reads; `find` says what is broken in a state."""

    table: str
    looks_at: tuple[str, ...]
    find: Callable[[State], list[Finding]]


def audits() -> Iterator[Audit]:
    """All audits, from the contracts and from what the tables mean."""
    for contract in gold_tables():
        name = contract.table.name
        yield Audit(name, (name,), partial(_rows, contract=contract))
        if name in DIMENSIONS.values():
            yield Audit(name, (name,), partial(_intervals, name=name))
        for sk in sorted(DIMENSIONS.keys() & set(contract.table.column_names)):
            if name != DIMENSIONS[sk]:
                yield Audit(name, (name, DIMENSIONS[sk]), partial(_resolved, name=name, sk=sk))
        if any(source.startswith("silver.") for source in contract.sources):
            yield Audit(name, (name,), partial(_balances, contract=contract))
        if name in _HIDES_ROWS_OF:
            yield Audit(name, (name,), partial(_keys_have_one_date, name=name))
    yield Audit(MART, (MART, FACTS), _mart_equals_facts)


def _rows(state: State, contract: GoldContract) -> list[Finding]:
    """Keys are unique, and the contract's warnings, over the keys that change."""
    name, key, warnings = contract.table.name, contract.table.key, contract.table.warnings
    touched = state.changed(name).select(*key).distinct()
    broken_ones = (F.count_if(F.expr(f"NOT ({warning.expression})")).alias(warning.name) for warning in warnings)
    rows = state[name].join(touched, list(key), "left_semi")
    per_key = rows.groupBy(*key).agg(F.count("*").alias("_rows"), *broken_ones)
    repeated, *broken = per_key.agg(
        F.count_if(F.col("_rows") > 1), *(F.coalesce(F.sum(w.name), F.lit(0)) for w in warnings)
    ).first()
    found = [Finding(name, "key_is_unique", "a key has several rows", repeated)]
    found += [Finding(name, w.name, w.reason, n, is_blocking=False) for w, n in zip(warnings, broken, strict=True)]
    return [finding for finding in found if finding.count]


def _intervals(state: State, name: str) -> list[Finding]:
    key = f"{name.removeprefix('gold.dim_')}_id"
    touched = state.changed(name).select(key).distinct()
    in_time = Window.partitionBy(key).orderBy("valid_from")
    before, after = F.lag("valid_to").over(in_time), F.lead("valid_from").over(in_time)
    judged = (
        state[name]
        .join(touched, key, "left_semi")
        .select(
            (F.col("valid_from") != F.coalesce(before, beginning())).alias("starts_wrong"),
            (F.col("valid_to") != F.coalesce(after, end())).alias("ends_wrong"),
            (F.col("valid_from") >= F.col("valid_to")).alias("is_empty"),
            (F.col("is_current") != after.isNull()).alias("is_misnamed"),
        )
    )
    wrong = judged.where("starts_wrong OR ends_wrong OR is_empty OR is_misnamed")
    return _if_any(wrong.count(), name, "intervals_are_gap_free", "the versions of a key leave a gap or overlap")


def _resolved(state: State, name: str, sk: str) -> list[Finding]:
    """Changed facts without their version, and any facts whose version a change of the dimension took away."""
    dimension = DIMENSIONS[sk]
    versions = state[dimension].select(sk)
    lost = state.changed(name).select(sk).distinct().join(versions, sk, "left_anti")
    gone = state.changed(dimension).select(sk).distinct().join(versions, sk, "left_anti")
    orphans = state[name].select(sk).join(lost.union(gone).distinct(), sk, "left_semi")
    return _if_any(orphans.count(), name, f"{sk}_resolves", f"rows have a {sk} that {dimension} has not")


def _mart_equals_facts(state: State) -> list[Finding]:
    dates = state.changed(MART).select("business_date").union(state.changed(FACTS).select("business_date")).distinct()
    shown = state[MART].join(dates, "business_date", "left_semi")
    sold = state[FACTS].join(dates, "business_date", "left_semi").withColumnRenamed("quantity", "unit_count")
    sums = F.struct(*(F.sum(name).cast("decimal(38,4)").alias(name) for name in _SUMMED))
    sides = (side.groupBy(*_GROUP).agg(sums.alias(which)) for side, which in ((shown, "shown"), (sold, "sold")))
    both = next(sides).join(next(sides), list(_GROUP), "full")
    unequal = both.where(~F.col("shown").eqNullSafe(F.col("sold")))
    return _if_any(unequal.count(), MART, "mart_equals_facts", f"its sums are not those of {FACTS}")


def _balances(state: State, contract: GoldContract) -> list[Finding]:
    """Dates whose newest check found records lost or doubled."""
    feeds = {s.removeprefix("silver.").removesuffix("_versions") for s in contract.sources if s.startswith("silver.")}
    sentence = "records of a feed it is built from are lost or doubled"
    return _if_any(sum(state.open_dates[feed] for feed in feeds), contract.table.name, "balance_closes", sentence)


def _keys_have_one_date(state: State, name: str) -> list[Finding]:
    """Over what changes: SILVER has a row a key and date, and a feed must give a key one date (docs/adr/0005)."""
    source, key, with_scope, scope = _HIDES_ROWS_OF[name]
    touched = state.changed(name).select(scope).distinct()
    rows = with_scope(state.tables.read(source)).join(touched, scope, "left_semi")
    twice = rows.groupBy(key).agg(F.count("*").alias("rows")).where("rows > 1")
    return _if_any(twice.count(), name, "keys_have_one_date", f"keys ({key}) of {source} came with several dates")


def _if_any(count: int, table: str, audit: str, sentence: str) -> list[Finding]:
    return [Finding(table, audit, sentence, count)] if count else []
