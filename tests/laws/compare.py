"""Compare the tables with the oracle, row by row."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow_spark.delta.writer import Tables
from retailflow_spark.gold.scd2 import UNKNOWN_SK
from retailflow_spark.job.run_log import ROW_BALANCE

from .oracle import VERSIONED, Oracle
from .oracle_dimensions import UNKNOWN_VERSION
from .oracle_feeds import Row
from .oracle_gold import Gold


@dataclass(frozen=True)
class Difference:
    """A row that only one side has, and how many times."""

    table: str
    kind: str
    row: str
    times: int

    def __str__(self) -> str:
        return f"{self.table}: {self.kind} {self.times} times {self.row}"


def differences(tables: Tables, oracle: Oracle, feeds: Iterable[str], gold: Iterable[str]) -> list[Difference]:
    """Return the differences in SILVER, its versions, quarantine and the balances of feeds, and in GOLD tables."""
    found: list[Difference] = []
    for feed in feeds:
        names = [f"silver.{feed}", f"quarantine.{feed}", *([f"silver.{feed}_history"] if feed in VERSIONED else [])]
        for name in names:
            found += _compared(name, _stored(tables, name), oracle.table(name))
        found += _compared(f"balance of {feed}", _balances(tables, feed), oracle.balances(feed))
    expected = Gold(oracle)
    for name in gold:
        found += _compared(name, _built(tables, name), expected.table(name))
    return found


def _compared(table: str, stored: list[Row], wanted: list[Row]) -> Iterator[Difference]:
    have, want = Counter(map(_text, stored)), Counter(map(_text, wanted))
    for kind, rows in (("lacks", want - have), ("has, which is wrong,", have - want)):
        for row, times in rows.items():
            yield Difference(table, kind, row, times)


def _text(row: Row) -> str:
    return json.dumps(row, default=str, sort_keys=True)


def _stored(tables: Tables, name: str) -> list[Row]:
    columns = tables.read(name).drop("_record_md5", "reasons", "record")
    return _rows(columns)


def _balances(tables: Tables, feed: str) -> list[Row]:
    """Return the latest check of each date, that of the greatest commit: one row per feed and ingestion date."""
    checks = tables.read(ROW_BALANCE).where(F.col("name") == feed)
    counts = [name for name in checks.columns if name.endswith("_count")]
    newest = F.max_by(F.struct(*counts, "is_closed"), F.struct("silver_version", "checked_at")).alias("newest")
    return _rows(checks.groupBy("name", "ingestion_date").agg(newest).select("name", "ingestion_date", "newest.*"))


def _built(tables: Tables, name: str) -> list[Row]:
    """Return the rows of a GOLD table without its surrogate key. A fact has versions instead of their keys."""
    rows = _rows(tables.read(name))
    for kind in ("customer", "product"):
        if name.startswith("gold.fact_") and rows and f"{kind}_sk" in rows[0]:
            versions = _versions(tables, kind)
            for row in rows:
                row[kind] = versions[row[f"{kind}_sk"]]
    for kind in ("customer", "product", "session"):
        for row in rows:
            row.pop(f"{kind}_sk", None)
    return rows


def _versions(tables: Tables, kind: str) -> dict[str, tuple[str, datetime]]:
    rows = _rows(tables.read(f"gold.dim_{kind}").select(f"{kind}_sk", f"{kind}_id", "valid_from"))
    versions = {row[f"{kind}_sk"]: (row[f"{kind}_id"], row["valid_from"]) for row in rows}
    assert len(versions) == len(rows), f"gold.dim_{kind} has a surrogate key twice"
    assert versions[UNKNOWN_SK] == UNKNOWN_VERSION
    return versions


def _rows(frame: DataFrame) -> list[Row]:
    return [_plain(row) for row in frame.toArrow().to_pylist()]


def _plain(value: Any) -> Any:
    """Return the value with decimals as whole numbers of 1/10000."""
    if isinstance(value, Decimal):
        units = value.scaleb(4)
        assert units == int(units), value
        return int(units)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
