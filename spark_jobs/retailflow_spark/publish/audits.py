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
from retailflow_spark.publish.candidate import DIMENSIONS, State

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
    """One question about `table`, asked when one of `looks_at` moves.

    `broken` counts the rows that break each rule: a query of one row with an array of BIGINT, or the counts themselves
    where they are known.
    """

    table: str
    looks_at: tuple[str, ...]
    rules: tuple[Rule, ...]
    broken: Callable[[State], DataFrame | Sequence[int]]


def find(asked: Sequence[Audit], state: State) -> list[tuple[Audit, Finding]]:
    """What is broken in a state, by the audit that says so: all are asked in one query."""
    answers = {number: one.broken(state) for number, one in enumerate(asked)}
    queries = [
        answer.toDF("counts").withColumn("number", F.lit(number))
        for number, answer in answers.items()
        if isinstance(answer, DataFrame)
    ]
    if queries:
        answers |= {row.number: row.counts for row in reduce(DataFrame.union, queries).collect()}
    return [
        (one, Finding(one.table, rule, count))
        for number, one in enumerate(asked)
        for rule, count in zip(one.rules, answers[number], strict=True)
        if count
    ]


def audits() -> Iterator[Audit]:
    """All audits, from the contracts and from what the tables mean."""
    for contract in gold_tables():
        name = contract.table.name
        resolves = {
            sk: Rule(f"{sk}_resolves", f"rows have a {sk} that {DIMENSIONS[sk]} has not") for sk in _sks(contract)
        }
        warnings = (Rule(one.name, one.reason, is_blocking=False) for one in contract.table.warnings)
        yield Audit(name, (name,), (_UNIQUE, *resolves.values(), *warnings), partial(_rows, contract=contract))
        if name in DIMENSIONS.values():
            yield Audit(name, (name,), (_GAP_FREE,), partial(_intervals, name=name))
        for sk, rule in resolves.items():
            yield Audit(name, (name, DIMENSIONS[sk]), (rule,), partial(_left_behind, name=name, sk=sk))
        if any(source.startswith("silver.") for source in contract.sources):
            yield Audit(name, (name,), (_BALANCES,), partial(_open_dates, contract=contract))
    yield Audit(MART, (MART, FACTS), (_EQUAL,), _unlike_facts)


def _sks(contract: GoldContract) -> list[str]:
    """The columns of a table that name a version of a dimension."""
    own, names = contract.table.name, contract.table.column_names
    return [sk for sk, dimension in DIMENSIONS.items() if sk in names and dimension != own]


def _rows(state: State, contract: GoldContract) -> DataFrame:
    """Over the keys that change: those with several rows, rows that name no version of a dimension, and rows that the
    contract warns of.

    Where keys have a date, within it: SILVER has one date a key.
    """
    name, key, warnings, sks = contract.table.name, contract.table.key, contract.table.warnings, _sks(contract)
    touched = state.changed(name).select(*key).distinct()
    rows = state.of_changed_dates(name).join(touched, list(key), "left_semi")
    for sk in sks:
        versions = state[DIMENSIONS[sk]].select(sk).distinct().withColumn(f"_has_{sk}", F.lit(True))
        rows = rows.join(versions, sk, "left")
    broken = {f"_lost_{sk}": F.col(f"_has_{sk}").isNull() for sk in sks}
    broken |= {one.name: F.expr(f"NOT ({one.expression})") for one in warnings}
    counts = (F.count_if(condition).alias(rule) for rule, condition in broken.items())
    per_key = rows.groupBy(*key).agg(F.count("*").alias("_rows"), *counts)
    sums = (F.coalesce(F.sum(rule), F.lit(0)) for rule in broken)
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


def _left_behind(state: State, name: str, sk: str) -> DataFrame | Sequence[int]:
    """Facts whose version a change of the dimension took away; they are looked for only where one has gone."""
    dimension = DIMENSIONS[sk]
    if not state.has_gone(dimension):
        return [0]
    absent = state.changed(dimension).select(sk).distinct().join(state[dimension].select(sk), sk, "left_anti")
    return _counts(state[name].select(sk).join(absent, sk, "left_semi"))


def _unlike_facts(state: State) -> DataFrame:
    shown = state.of_changed_dates(MART, FACTS)
    sold = state.of_changed_dates(FACTS, MART).withColumnRenamed("quantity", "unit_count")
    sums = F.struct(*(F.sum(name).cast("decimal(38,4)").alias(name) for name in _SUMMED))
    sides = (side.groupBy(*_GROUP).agg(sums.alias(which)) for side, which in ((shown, "shown"), (sold, "sold")))
    both = next(sides).join(next(sides), list(_GROUP), "full")
    return _counts(both.where(~F.col("shown").eqNullSafe(F.col("sold"))))


def _open_dates(state: State, contract: GoldContract) -> Sequence[int]:
    """Dates whose newest check found records lost or doubled."""
    feeds = {s.removeprefix("silver.").removesuffix("_versions") for s in contract.sources if s.startswith("silver.")}
    return [sum(state.open_dates[feed] for feed in feeds)]


def _counts(broken: DataFrame, *counts: Column) -> DataFrame:
    """One row: these counts over the rows, or their number."""
    return broken.agg(F.array(*(counts or (F.count("*"),))))
