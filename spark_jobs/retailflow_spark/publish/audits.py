"""The audits of GOLD: conditions that must be true before readers see a table.

An audit checks the candidate of a publication. It reads only the dates that the publication would change; a first query
finds these dates, so that files of other dates are skipped. A blocking audit blocks its table; a warning is reported.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from retailflow.contracts import FeedContract, GoldContract, contract_of, gold_tables
from retailflow_spark.gold.scd2 import beginning, end
from retailflow_spark.gold.transform import Dimension, Totals, transform_of, versioned
from retailflow_spark.publish.candidate import Candidate


@dataclass(frozen=True)
class Rule:
    """A condition on the rows of a table. If rows break a blocking rule, the table is blocked; else it is a warning."""

    name: str
    sentence: str  # describes the rows that break the rule
    is_blocking: bool = True


_UNIQUE = Rule("key_is_unique", "a key has several rows")
_GAP_FREE = Rule("intervals_are_gap_free", "the versions of a key leave a gap or overlap")
_BALANCES = Rule("balance_closes", "records of a feed it is built from are lost or doubled")


@dataclass(frozen=True)
class Finding:
    """A rule that `count` rows of `table` break."""

    table: str
    rule: Rule
    count: int

    def __str__(self) -> str:
        return f"{self.table}: {self.rule.sentence} ({self.count:,} rows, audit {self.rule.name})"


@dataclass(frozen=True)
class Audit:
    """One check of `table`. It runs when a publication moves one of the tables `looks_at`.

    `broken` counts the rows that break each rule: it returns a query of one row with an array of BIGINT, or the counts
    themselves if they are known.
    """

    table: str
    looks_at: tuple[str, ...]
    rules: tuple[Rule, ...]
    broken: Callable[[Candidate], DataFrame | Sequence[int]]


def find(asked: Sequence[Audit], candidate: Candidate) -> list[tuple[Audit, Finding]]:
    """Run these audits on a candidate, all in one query. Returns the findings, each with its audit."""
    answers = {number: one.broken(candidate) for number, one in enumerate(asked)}
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
    """Yield all audits. They follow from the contracts and the transforms."""
    for contract in gold_tables():
        name = contract.table.name
        transform = transform_of(contract)
        resolves = {
            sk: Rule(f"{sk}_resolves", f"rows have a {sk} that {dimension} does not have")
            for sk, dimension in _references(contract).items()
        }
        warnings = (Rule(one.name, one.reason, is_blocking=False) for one in contract.table.warnings)
        yield Audit(name, (name,), (_UNIQUE, *resolves.values(), *warnings), partial(_rows, contract=contract))
        if (dimension := transform.DIMENSION) and dimension.sk:
            yield Audit(name, (name,), (_GAP_FREE,), partial(_intervals, name=name, dimension=dimension))
        for sk, rule in resolves.items():
            yield Audit(name, (name, versioned()[sk]), (rule,), partial(_left_behind, name=name, sk=sk))
        if feeds := _feeds(contract):
            yield Audit(name, (name,), (_BALANCES,), partial(_open_dates, feeds=feeds))
        if totals := transform.TOTALS:
            equal = Rule("mart_equals_facts", f"its sums are not those of {totals.source}")
            yield Audit(name, (name, totals.source), (equal,), partial(_unlike_source, name=name, totals=totals))


def _references(contract: GoldContract) -> dict[str, str]:
    """Return the columns of a table that name a version of a dimension, with the dimension's table."""
    own, names = contract.table.name, contract.table.column_names
    return {sk: dimension for sk, dimension in versioned().items() if sk in names and dimension != own}


def _feeds(contract: GoldContract) -> frozenset[str]:
    """Return the feeds whose SILVER the table reads."""
    sources = map(contract_of, contract.sources)
    return frozenset(source.name for source in sources if isinstance(source, FeedContract))


def _rows(candidate: Candidate, contract: GoldContract) -> DataFrame:
    """Count among the changed keys: keys with several rows, rows without a dimension version, rows with a warning.

    If keys have a date, it counts within the date: a key of SILVER has one date.
    """
    name, key, warnings, sks = contract.table.name, contract.table.key, contract.table.warnings, _references(contract)
    touched = candidate.changed(name).select(*key).distinct()
    rows = candidate.of_changed_dates(name).join(touched, list(key), "left_semi")
    for sk in sks:
        versions = candidate[sks[sk]].select(sk).distinct().withColumn(f"_has_{sk}", F.lit(True))
        rows = rows.join(versions, sk, "left")
    broken = {f"_lost_{sk}": F.col(f"_has_{sk}").isNull() for sk in sks}
    broken |= {one.name: F.expr(f"NOT ({one.expression})") for one in warnings}
    counts = (F.count_if(condition).alias(rule) for rule, condition in broken.items())
    per_key = rows.groupBy(*key).agg(F.count("*").alias("_rows"), *counts)
    sums = (F.coalesce(F.sum(rule), F.lit(0)) for rule in broken)
    return _counts(per_key, F.count_if(F.col("_rows") > 1), *sums)


def _intervals(candidate: Candidate, name: str, dimension: Dimension) -> DataFrame:
    key = dimension.key
    touched = candidate.changed(name).select(key).distinct()
    in_time = Window.partitionBy(key).orderBy("valid_from")
    before, after = F.lag("valid_to").over(in_time), F.lead("valid_from").over(in_time)
    wrong = (
        candidate[name]
        .join(touched, key, "left_semi")
        .select(
            (F.col("valid_from") != F.coalesce(before, beginning())).alias("starts_wrong"),
            (F.col("valid_to") != F.coalesce(after, end())).alias("ends_wrong"),
            (F.col("valid_from") >= F.col("valid_to")).alias("is_empty"),
            (F.col("is_current") != after.isNull()).alias("is_misnamed"),
        )
    )
    return _counts(wrong.where("starts_wrong OR ends_wrong OR is_empty OR is_misnamed"))


def _left_behind(candidate: Candidate, name: str, sk: str) -> DataFrame | Sequence[int]:
    """Count the facts whose dimension version a change removed. It searches only if a version has gone."""
    dimension = versioned()[sk]
    if not candidate.has_gone(dimension):
        return [0]
    absent = candidate.changed(dimension).select(sk).distinct().join(candidate[dimension].select(sk), sk, "left_anti")
    return _counts(candidate[name].select(sk).join(absent, sk, "left_semi"))


def _unlike_source(candidate: Candidate, name: str, totals: Totals) -> DataFrame:
    sides = (
        ("own", candidate.of_changed_dates(name, totals.source), {own: own for own in totals.sums}),
        ("source", candidate.of_changed_dates(totals.source, name), totals.sums),
    )
    first, second = (
        rows.groupBy(*totals.groups).agg(
            F.struct(*(F.sum(column).cast("decimal(38,4)").alias(own) for own, column in sums.items())).alias(side)
        )
        for side, rows, sums in sides
    )
    both = first.join(second, list(totals.groups), "full")
    return _counts(both.where(~F.col("own").eqNullSafe(F.col("source"))))


def _open_dates(candidate: Candidate, feeds: Iterable[str]) -> Sequence[int]:
    """Count the dates whose newest check found records lost or doubled."""
    return [sum(candidate.open_dates[feed] for feed in feeds)]


def _counts(broken: DataFrame, *counts: Column) -> DataFrame:
    """Return one row with an array: these counts over the rows, or the number of rows."""
    return broken.agg(F.array(*(counts or (F.count("*"),))))
