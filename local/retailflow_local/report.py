"""The result of a demo, read back from the tables: rows per layer, quarantine and its reasons, revenue."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from retailflow.contracts import feeds, gold_tables
from retailflow_local.adventureworks.oracle import Amounts, Compared, compare, source_totals
from retailflow_local.console import console
from retailflow_local.spark_client import session
from retailflow_local.workspace import TITLES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from retailflow_local.demo import DayRun, Footprint

CATALOG = "spark_catalog"


def timing(runs: "Sequence[DayRun]", start_seconds: float, run_seconds: float, footprint: "Footprint") -> Table:
    from retailflow_local.demo import LAYERS

    table = Table(title="Time per layer", title_justify="left")
    for heading in ("day", "layer", "tasks", "failed", "first start to last end", "sum of tasks"):
        table.add_column(heading, justify="left" if heading in ("day", "layer") else "right")
    for run in runs:
        for layer in LAYERS:
            own = [task for task in run.tasks if task["task_id"].startswith(f"{layer}.")]
            spans = [
                (_moment(t["start_date"]), _moment(t["end_date"])) for t in own if t["start_date"] and t["end_date"]
            ]
            wall = (max(e for _, e in spans) - min(s for s, _ in spans)).total_seconds() if spans else 0
            busy = sum((end - start).total_seconds() for start, end in spans)
            failed = sum(task["state"] in ("failed", "upstream_failed") for task in own)
            table.add_row(str(run.day), layer, str(len(own)), str(failed), f"{wall:.1f} s", f"{busy:.1f} s")
    table.caption = (
        f"Stack ready after {start_seconds:.0f} s, days took {run_seconds:.0f} s, peak memory of the whole stack "
        f"{footprint.peak_mib:,} MiB, JVM starts {len(footprint.jvms)}"
    )
    table.caption_justify = "left"
    return table


def processor_time(seconds: Mapping[str, float]) -> Table:
    table = Table(title="Processor time of the days, by process", title_justify="left")
    table.add_column("process")
    for heading in ("CPU", "share"):
        table.add_column(heading, justify="right")
    total = sum(seconds.values())
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(TITLES[name], f"{spent:.0f} s", f"{spent / total:.0%}")
    table.caption, table.caption_justify = "with the tasks and jobs that each started", "left"
    return table


def tables(spark_remote: str, days: Sequence[date], source: Path | None) -> bool:
    """Print the contents of the tables. Returns False if a public data set's total differs."""
    with session(spark_remote) as spark:
        console.print(_rows(spark, days), _gold(spark), _quarantine(spark, days), _revenue(spark, days))
        return _against_source(spark, days, source) if source else True


def _rows(spark: "SparkSession", days: Sequence[date]) -> Table:
    table = Table(title=f"Rows of {_span(days)}, by ingestion date", title_justify="left")
    table.add_column("feed")
    for heading in ("bronze", "silver (newest of its key)", "quarantine"):
        table.add_column(heading, justify="right")
    layers = ("bronze", "silver", "quarantine")
    parts = " UNION ALL ".join(
        f"SELECT '{feed.name}' feed, '{layer}' layer, count(*) n FROM {CATALOG}.{layer}.{feed.name}"
        f" WHERE {_within('ingestion_date', days)}"
        for feed in feeds()
        for layer in layers
    )
    counts = {(row.feed, row.layer): row.n for row in spark.sql(parts).collect()}
    for feed in feeds():
        table.add_row(feed.name, *(f"{counts[feed.name, layer]:,}" for layer in layers))
    return table


def _gold(spark: "SparkSession") -> Table:
    table = Table(title="GOLD, all dates", title_justify="left")
    table.add_column("table")
    table.add_column("rows", justify="right")
    parts = " UNION ALL ".join(
        f"SELECT '{gold.name}' name, count(*) n FROM {CATALOG}.{gold.table.name}" for gold in gold_tables()
    )
    for row in sorted(spark.sql(parts).collect()):
        table.add_row(row.name, f"{row.n:,}")
    return table


def _quarantine(spark: "SparkSession", days: Sequence[date]) -> Table:
    table = Table(title=f"Quarantine of {_span(days)}", title_justify="left")
    for heading in ("feed", "reason", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    parts = " UNION ALL ".join(
        f"SELECT '{feed.name}' feed, explode(reasons) reason FROM {CATALOG}.quarantine.{feed.name}"
        f" WHERE {_within('ingestion_date', days)}"
        for feed in feeds()
    )
    reasons = spark.sql(f"SELECT feed, reason, count(*) n FROM ({parts}) GROUP BY ALL ORDER BY ALL").collect()
    for row in reasons:
        table.add_row(row.feed, row.reason, f"{row.n:,}")
    if not reasons:
        table.add_row("", "none: no record breaks its contract", "0")
    return table


def _revenue(spark: "SparkSession", days: Sequence[date]) -> Table:
    table = Table(title=f"Revenue per channel, business dates of {_span(days)}", title_justify="left")
    for heading in ("channel", "currency", "orders", "units", "gross", "discount", "net", "tax", "returned"):
        # A number that is too wide for its column continues in the next line; it is never cut off.
        table.add_column(heading, justify="left" if heading in ("channel", "currency") else "right", overflow="fold")
    rows = spark.sql(
        f"""SELECT channel, currency, count(DISTINCT CASE WHEN quantity > 0 THEN sale_id END) orders,
                   sum(quantity) units, sum(gross_amount) gross, sum(discount_amount) discount,
                   sum(net_amount) net, sum(tax_amount) tax,
                   sum(CASE WHEN is_return THEN -net_amount ELSE 0 END) returned
            FROM {CATALOG}.gold.fact_sales WHERE {_within("business_date", days)} GROUP BY ALL ORDER BY ALL"""
    ).collect()
    for row in rows:
        table.add_row(row.channel, row.currency, *(f"{value:,}" for value in row[2:]))
    return table


def _against_source(spark: "SparkSession", days: Sequence[date], source: Path) -> bool:
    """Compare mart and quarantine with DuckDB's own reading of the CSV files. Returns whether they match exactly."""
    mart = spark.sql(
        f"""SELECT business_date, category, sum(order_count) order_count, sum(unit_count) unit_count,
                   sum(net_amount) net_amount
            FROM {CATALOG}.gold.daily_revenue_mart
            WHERE channel = 'online' AND {_within("business_date", days)} GROUP BY ALL"""
    ).collect()
    quarantined = spark.sql(
        f"SELECT DISTINCT record FROM {CATALOG}.quarantine.orders WHERE {_within('ingestion_date', days)}"
    ).collect()
    truth = source_totals(source, days[0], days[-1])
    comparison = compare([row.asDict() for row in mart], [json.loads(row.record) for row in quarantined], truth)
    table = Table(title="The public files, counted by DuckDB, against RetailFlow", title_justify="left")
    for heading in ("business date", "category", "orders", "source", "mart", "quarantine", "difference"):
        table.add_column(
            heading, justify="left" if heading in ("business date", "category") else "right", overflow="fold"
        )
    for row in (*comparison.rows, comparison.total):
        _add(table, row)
    table.caption = f"{truth.order_count} orders, {truth.line_count} lines in the source; amounts are net, in USD"
    console.print(table)
    return comparison.is_exact


def _add(table: Table, row: Compared) -> None:
    is_total = row.business_date is None
    table.add_row(
        "total" if is_total else str(row.business_date),
        "" if is_total else row.category,
        f"{row.mart.order_count:,}",
        *(f"{amounts.net_amount:,}" for amounts in (row.source, row.mart, row.quarantined)),
        "[green]0[/green]" if row.difference == Amounts() else f"[red]{row.difference.net_amount:,}[/red]",
        end_section=False,
        style="bold" if is_total else None,
    )


def _within(column: str, days: Sequence[date]) -> str:
    return f"{column} BETWEEN DATE '{days[0]}' AND DATE '{days[-1]}'"


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
