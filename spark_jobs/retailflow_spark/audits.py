"""What must hold of GOLD before readers see it.

An audit is asked of the state that a publication would leave, and looks only at what the publication would change: by
literals, which a first query finds out, since a join skips no file. A blocking one holds its table back; a warning is
reported.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import GoldContract, gold_tables
from retailflow_spark.gold.scd2 import beginning, end
from retailflow_spark.state import DIMENSIONS, State

MART, FACTS = "gold.daily_revenue_mart", "gold.fact_sales"
_SUMMED = ("unit_count", "gross_amount", "discount_amount", "net_amount", "tax_amount")
_GROUP = ("business_date", "channel", "store_id", "currency")


@dataclass(frozen=True)
class Rule:
    """What must hold of a table. Where rows break a blocking one, the table is held back; else it is a warning."""

    name: str
    sentence: str  # says what is wrong with the rows that break it
    is_blocking: bool = True


_UNIQUE = Rule("key_is_unique", "a key has several rows")
_GAP_FREE = Rule("intervals_are_gap_free", "the versions of a key leave a gap or overlap")
_BALANCES = Rule("balance_closes", "records of a feed it is built from are lost or doubled")
_EQUAL = Rule("mart_equals_facts", f"its sums are not those of {FACTS}")


@dataclass(frozen=True)
class Finding:
    """That rows of `table` break a rule."""

    table: str
    rule: Rule
    count: int

    def __str__(self) -> str:
        return f"{self.table}: {self.rule.sentence} ({self.count:,} such, audit {self.rule.name})"


@dataclass(frozen=True)
class Audit:
    """One query about `table`. `looks_at` are the GOLD tables it reads; `broken` counts the rows that break each rule:
    one row with an array of BIGINT.
    """

    table: str
    looks_at: tuple[str, ...]
    rules: tuple[Rule, ...]
    broken: Callable[[State], DataFrame]


def find(asked: Sequence[Audit], state: State) -> list[tuple[Audit, Finding]]:
    """What is broken in a state, by the audit that says so: all are asked in one query."""
    numbered = (one.broken(state).toDF("counts").withColumn("number", F.lit(n)) for n, one in enumerate(asked))
    rows = sorted(reduce(DataFrame.union, numbered).collect(), key=lambda row: row.number) if asked else []
    return [
        (asked[row.number], Finding(asked[row.number].table, rule, count))
        for row in rows
        for rule, count in zip(asked[row.number].rules, row.counts, strict=True)
        if count
    ]


def audits() -> Iterator[Audit]:
    """All audits, from the contracts and from what the tables mean."""
    for contract in gold_tables():
        name = contract.table.name
        warnings = (Rule(one.name, one.reason, is_blocking=False) for one in contract.table.warnings)
        yield Audit(name, (name,), (_UNIQUE, *warnings), partial(_rows, contract=contract))
        if name in DIMENSIONS.values():
            yield Audit(name, (name,), (_GAP_FREE,), partial(_intervals, name=name))
        for sk in sorted(DIMENSIONS.keys() & set(contract.table.column_names)):
            if name != DIMENSIONS[sk]:
                rule = Rule(f"{sk}_resolves", f"rows have a {sk} that {DIMENSIONS[sk]} has not")
                yield Audit(name, (name, DIMENSIONS[sk]), (rule,), partial(_unresolved, name=name, sk=sk))
        if any(source.startswith("silver.") for source in contract.sources):
            yield Audit(name, (name,), (_BALANCES,), partial(_open_dates, contract=contract))
    yield Audit(MART, (MART, FACTS), (_EQUAL,), _unlike_facts)


def _rows(state: State, contract: GoldContract) -> DataFrame:
    """Keys with several rows, and rows that the contract warns of, over the keys that change.

    Where these have a date, within it: SILVER has one date a key.
    """
    name, key, warnings = contract.table.name, contract.table.key, contract.table.warnings
    touched = state.changed(name).select(*key).distinct()
    warned = (F.count_if(F.expr(f"NOT ({one.expression})")).alias(one.name) for one in warnings)
    rows = state.of_changed_dates(name).join(touched, list(key), "left_semi")
    per_key = rows.groupBy(*key).agg(F.count("*").alias("_rows"), *warned)
    sums = (F.coalesce(F.sum(one.name), F.lit(0)) for one in warnings)
    return _counts(per_key, F.count_if(F.col("_rows") > 1), *sums)


def _intervals(state: State, name: str) -> DataFrame:
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
    return _counts(judged.where("starts_wrong OR ends_wrong OR is_empty OR is_misnamed"))


def _unresolved(state: State, name: str, sk: str) -> DataFrame:
    """Changed facts without their version, and any facts whose version a change of the dimension took away."""
    dimension = DIMENSIONS[sk]
    versions = state[dimension].select(sk)
    named = state.changed(name).select(sk)
    facts = state.of_changed_dates(name)
    if state.has_gone(dimension):
        named, facts = named.union(state.changed(dimension).select(sk)), state[name]
    absent = named.distinct().join(versions, sk, "left_anti")
    return _counts(facts.select(sk).join(absent, sk, "left_semi"))


def _unlike_facts(state: State) -> DataFrame:
    shown = state.of_changed_dates(MART, FACTS)
    sold = state.of_changed_dates(FACTS, MART).withColumnRenamed("quantity", "unit_count")
    sums = F.struct(*(F.sum(name).cast("decimal(38,4)").alias(name) for name in _SUMMED))
    sides = (side.groupBy(*_GROUP).agg(sums.alias(which)) for side, which in ((shown, "shown"), (sold, "sold")))
    both = next(sides).join(next(sides), list(_GROUP), "full")
    return _counts(both.where(~F.col("shown").eqNullSafe(F.col("sold"))))


def _open_dates(state: State, contract: GoldContract) -> DataFrame:
    """Dates whose newest check found records lost or doubled."""
    feeds = {s.removeprefix("silver.").removesuffix("_versions") for s in contract.sources if s.startswith("silver.")}
    count = sum(state.open_dates[feed] for feed in feeds)
    return state.tables.spark.range(1).select(F.array(F.lit(count).cast("bigint")))


def _counts(broken: DataFrame, *counts: Column) -> DataFrame:
    """One row: these counts over the rows, or their number."""
    return broken.agg(F.array(*(counts or (F.count("*"),))))
