"""Reads the data that the jobs recorded about their runs, through the SQL warehouse."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from retailflow.contracts import feeds
from retailflow_airflow.page.trend import Day, with_limits
from retailflow_airflow.warehouse import Warehouse, WarehouseError

HISTORY_DAYS = 400
_SINCE = f"date_sub((SELECT max(ingestion_date) FROM ops.task_attempts), {HISTORY_DAYS})"
RUNS = f"""
SELECT * FROM (
  SELECT layer, name, ingestion_date, dag_run_id, try_number, databricks_run_id, code_version, contract_version,
         built_with, rows_read, rows_written, rows_superseded, rows_duplicate, rows_quarantined, versions_after,
         started_at, seconds, row_number() OVER newest_first AS newest, count(*) OVER same AS run_count,
         first_value(dag_run_id) OVER oldest_first AS first_dag_run_id,
         first_value(timestamp_micros(unix_micros(started_at) + CAST(seconds * 1000000 AS BIGINT))) OVER oldest_first
           AS first_ended_at
  FROM ops.task_attempts WHERE ingestion_date >= {_SINCE}
  WINDOW same AS (PARTITION BY layer, name, ingestion_date),
         newest_first AS (PARTITION BY layer, name, ingestion_date ORDER BY started_at DESC),
         oldest_first AS (PARTITION BY layer, name, ingestion_date ORDER BY started_at)
) WHERE newest = 1
"""
BALANCES = f"""
SELECT name, ingestion_date, record_count, current_count, superseded_count, duplicate_count, quarantined_count,
       is_closed, checked_at
FROM ops.row_reconciliation_latest WHERE ingestion_date >= {_SINCE}
"""
DRIFT = f"""
SELECT name, ingestion_date, column, kind, max_by(record_count, noticed_at) AS record_count,
       max_by(first_file, noticed_at) AS first_file
FROM ops.drift WHERE ingestion_date >= {_SINCE} GROUP BY ALL ORDER BY kind, column
"""
AUDITS = f"""
SELECT audit, name, is_blocking, broken_count, sentence, databricks_run_id, audited_at
FROM ops.audits WHERE audited_at >= {_SINCE} ORDER BY audited_at DESC LIMIT 5000
"""
RELEASE = "SELECT release, versions, published_at FROM ops.releases ORDER BY release DESC LIMIT 1"
REVENUE = f"""
SELECT business_date, currency, sum(net_amount) AS net_amount FROM gold.daily_revenue_mart
WHERE business_date >= {_SINCE} GROUP BY ALL ORDER BY business_date
"""
REASONS = """
SELECT reason, count(*) AS record_count
FROM (SELECT explode(reasons) AS reason FROM quarantine.{feed} WHERE ingestion_date = :day)
GROUP BY reason ORDER BY record_count DESC, reason LIMIT 20
"""
RECORDS = """
SELECT _source_file, _position, reasons, record FROM quarantine.{feed}
WHERE ingestion_date = :day ORDER BY _source_file, _position LIMIT 20
"""

Row = dict[str, Any]


@dataclass(frozen=True)
class RunLog:
    """The records of the last 400 days, by layer, name and ingestion date; only the newest entry of each."""

    runs: dict[tuple[str, str, date], Row] = field(default_factory=dict)
    balances: dict[tuple[str, date], Row] = field(default_factory=dict)
    drift: dict[tuple[str, date], list[Row]] = field(default_factory=dict)
    audits: dict[str, list[Row]] = field(default_factory=dict)
    release: Row | None = None
    revenue: list[Row] = field(default_factory=list)

    @cached_property
    def days(self) -> tuple[date, date] | None:
        """The first and the last ingestion date of all runs; None without a run."""
        found = {day for _, _, day in self.runs}
        return (min(found), max(found)) if found else None

    @cached_property
    def outdated(self) -> dict[tuple[str, str], set[date]]:
        """For each layer and feed, the dates that were built with another contract or code than the newest run.

        GOLD is not included: its next run rebuilds it automatically.
        """
        newest: dict[tuple[str, str], Row] = {}
        for (layer, name, _), run in self.runs.items():
            known = newest.setdefault((layer, name), run)
            newest[layer, name] = max(known, run, key=lambda row: row["started_at"])
        found: dict[tuple[str, str], set[date]] = defaultdict(set)
        for (layer, name, day), run in self.runs.items():
            if layer != "gold" and run["built_with"] != newest[layer, name]["built_with"]:
                found[layer, name].add(day)
        return dict(found)

    def silver(self, day: date) -> set[str]:
        """Return the feeds whose SILVER any run made for the day."""
        return {contract.name for contract in feeds() if ("silver", contract.name, day) in self.runs}

    @cached_property
    def trends(self) -> list[tuple[str, list[tuple[str, list[Day]]]]]:
        """Revenue by currency and records by feed, with the ordinary range of each day."""
        revenue: dict[str, dict[date, float]] = defaultdict(dict)
        for row in self.revenue:
            revenue[row["currency"]][row["business_date"]] = float(row["net_amount"])
        volume: dict[str, dict[date, float]] = defaultdict(dict)
        for (name, day), row in self.balances.items():
            volume[name][day] = float(row["record_count"])
        titled = (("Revenue, net, by business date", revenue), ("Records received, by ingestion date", volume))
        return [(title, [(name, with_limits(series[name])) for name in sorted(series)]) for title, series in titled]


def read_run_log() -> RunLog:
    """Return the records of the last 400 days. Raises: WarehouseError and AirflowException, like `Warehouse.rows`."""
    warehouse = Warehouse()
    drift, audits = defaultdict(list), defaultdict(list)
    for row in _rows(warehouse, DRIFT):
        drift[row["name"], row["ingestion_date"]].append(row)
    for row in _rows(warehouse, AUDITS):
        audits[row["name"]].append(row)
    run_log = RunLog(
        runs={(row["layer"], row["name"], row["ingestion_date"]): row for row in _rows(warehouse, RUNS)},
        balances={(row["name"], row["ingestion_date"]): row for row in _rows(warehouse, BALANCES)},
        drift=dict(drift),
        audits=dict(audits),
        release=next(iter(_rows(warehouse, RELEASE)), None),
        revenue=list(_rows(warehouse, REVENUE)),
    )
    run_log.trends, run_log.days, run_log.outdated  # noqa: B018 - computed here, once, and not by a request
    return run_log


def quarantine_reasons(feed: str, day: date) -> list[Row]:
    """Return the reasons of the feed's quarantined records of the day: rows of `reason`, `record_count`.

    `feed` must be the name of a contract, because it becomes part of the statement.
    """
    return list(_rows(Warehouse(), REASONS.format(feed=feed), day=day))


def quarantine_records(feed: str, day: date) -> list[Row]:
    """Return at most 20 quarantined records of the day, with their text, which may be personal data.

    Rows have `_source_file`, `_position`, `reasons`, `record`. `feed` must be the name of a contract, because it
    becomes part of the statement.
    """
    return list(_rows(Warehouse(), RECORDS.format(feed=feed), day=day))


def _rows(warehouse: Warehouse, statement: str, **parameters: date) -> Iterable[Row]:
    """Return the rows of the query; none if the table does not exist yet, because its first run creates it."""
    try:
        return warehouse.rows(statement, **parameters)
    except WarehouseError as error:
        if "TABLE_OR_VIEW_NOT_FOUND" in str(error):
            return []
        raise
