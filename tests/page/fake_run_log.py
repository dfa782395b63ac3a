"""The answers of a warehouse for a shop of many days, made by rule and without Spark.

The last day is the one before yesterday, so that all its deadlines have passed. On it `silver.orders` failed, so
`gold.fact_orders` was not run; clickstream is not delivered; `silver.payments` has records in quarantine;
`silver.store_sales` was late; an audit blocks `gold.fact_sales`. Older code built `silver.inventory` until `REBUILT`.
"""

import hashlib
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from retailflow.contracts import feeds, gold_tables
from retailflow_airflow.page import run_log

LAST = datetime.now(UTC).date() - timedelta(days=2)
STUCK, WAITING = LAST - timedelta(days=402), LAST - timedelta(days=401)  # days before the first of 400: airflow_rows.py
REBUILT = LAST - timedelta(days=3)
SECRET = "anna@example.com"
ERROR = "BadFile: batch_01.json is not what its manifest says: 812 bytes instead of 1,203"
RUN_PAGE = "https://adb-1.azuredatabricks.net/jobs/runs/4711"
_SIZES = {contract.name: 400 * 3**index for index, contract in enumerate(feeds())}


def warehouse(days: int):
    """Return a stand-in for Warehouse.rows."""
    tables = _tables(days)

    def rows(_: Any, statement: str, **parameters: date) -> list[dict[str, Any]]:
        if "quarantine." in statement:
            is_payments = "quarantine.payments" in statement and parameters["day"] == LAST
            return tables["records" if "_position" in statement else "reasons"] if is_payments else []
        return tables.get(statement, [])  # the card asks about one table at a time

    return rows


def wave(day: date, index: int) -> float:
    """Around 1: higher on Saturdays and in summer, a little different each day; never random."""
    noise = int(hashlib.sha256(f"{day} {index}".encode()).hexdigest()[:4], 16) / 0xFFFF - 0.5
    season = math.sin((day.timetuple().tm_yday - 80) / 58)
    return 1 + 0.35 * (day.weekday() == 5) + 0.05 * season + 0.14 * noise


def _tables(days: int) -> dict[str, list[dict[str, Any]]]:
    dates = [LAST - timedelta(days=ago) for ago in range(days)]
    runs = [run for day in dates for run in _runs(day, days - (LAST - day).days)]
    balances = [
        _balance(contract.name, index, day)
        for day in dates
        for index, contract in enumerate(feeds())
        if day != LAST or contract.name not in ("orders", "clickstream")
    ]
    revenue = [
        {"business_date": day, "currency": currency, "net_amount": Decimal(f"{_revenue(day, index):.4f}")}
        for day in dates
        for index, currency in enumerate(("EUR", "GBP", "USD"))
    ]
    drift = {"name": "products", "ingestion_date": LAST, "column": "colour", "kind": "added"}
    audit = {"audit": "customer_sk_resolves", "name": "fact_sales", "is_blocking": True, "broken_count": 12}
    audit |= {"sentence": "rows have a customer_sk that gold.dim_customer does not have", "databricks_run_id": "881"}
    versions = {contract.table.name: days for contract in gold_tables()} | {"gold.fact_sales": days - 1}
    return {
        run_log.RUNS: runs,
        run_log.BALANCES: balances,
        run_log.DRIFT: [drift | {"record_count": 40, "first_file": "products/ingestion_date=x/batch_1.json"}],
        run_log.AUDITS: [audit | {"audited_at": _at(LAST, "03:40")}],
        run_log.RELEASE: [
            {
                "release": 7 * days,
                "versions": versions,
                "published_at": _at(LAST, "03:45"),
            }
        ],
        run_log.REVENUE: revenue,
        "reasons": [
            {"reason": "amount is not a decimal number", "record_count": 31},
            {"reason": "event_type is not one of authorized, captured, refunded", "record_count": 6},
        ],
        "records": [
            {
                "_source_file": f"payments/ingestion_date={LAST}/batch_01.ndjson",
                "_position": 17,
                "reasons": ["amount is not a decimal number"],
                "record": f'{{"payment_id": "p-17", "amount": "12,50", "note": "<b>{SECRET}</b>"}}',
            }
        ],
    }


def _runs(day: date, version: int) -> list[dict[str, Any]]:
    found = []
    for index, contract in enumerate(feeds()):
        if (contract.name, day) == ("clickstream", LAST):
            continue
        size = int(_SIZES[contract.name] * wave(day, index))
        found.append(_run("bronze", contract, day, "02:10", 20 + index, size, size))
        if (contract.name, day) != ("orders", LAST):
            minutes = 260 if contract.name == "store_sales" and day >= LAST - timedelta(days=1) else 15 + index
            ended = (datetime.combine(day, time(2)) + timedelta(minutes=minutes)).strftime("%H:%M")
            run = _run("silver", contract, day, ended, 30 + index, size, size - 10)
            is_old = contract.name == "inventory" and day < REBUILT
            found.append(run | {"built_with": "a" * 32 if is_old else run["built_with"]})
    for index, contract in enumerate(gold_tables()):
        if (contract.name, day) == ("fact_orders", LAST):
            continue
        run = _run("gold", contract, day, f"03:{10 + index}", 12 + index, None, 900 + 40 * index)
        found.append(run | {"versions_after": {contract.table.name: version}})
    return found


def _run(layer: str, contract: Any, day: date, at: str, seconds: int, read: int | None, written: int) -> dict[str, Any]:
    run_id = f"scheduled__{day + timedelta(days=1)}T02:00:00+00:00"
    started = _at(day, at)
    return {
        **{"layer": layer, "name": contract.name, "ingestion_date": day, "dag_run_id": run_id, "try_number": 1},
        **{"databricks_run_id": f"{day:%Y%m%d}{len(layer)}{len(contract.name)}", "code_version": "0.1.0"},
        **{
            "contract_version": "1.0.0",
            "built_with": "0" * 32,
            "rows_read": read,
            "rows_written": written,
            "rows_superseded": None,
        },
        **{"rows_duplicate": None, "rows_quarantined": None, "versions_after": {}, "started_at": started},
        **{"seconds": float(seconds), "newest": 1, "run_count": 1, "first_dag_run_id": run_id},
        "first_ended_at": started + timedelta(seconds=seconds),
    }


def _balance(name: str, index: int, day: date) -> dict[str, Any]:
    size = int(_SIZES[name] * wave(day, index) * (0.2 if (name, day) == ("clickstream", LAST - timedelta(9)) else 1))
    held = 37 if (name, day) == ("payments", LAST) else 0
    counts = {"record_count": size, "current_count": size - 10 - held, "superseded_count": 7, "duplicate_count": 3}
    counts |= {"quarantined_count": held, "is_closed": True, "checked_at": _at(day, "03:00")}
    return {"name": name, "ingestion_date": day, **counts}


def _revenue(day: date, index: int) -> float:
    return 52_000 / (index + 1) * wave(day, index) * (1.9 if day == LAST - timedelta(days=20) and index == 0 else 1)


def _at(day: date, clock: str) -> datetime:
    """Return that time on the morning after the day."""
    return datetime.combine(day + timedelta(days=1), time.fromisoformat(clock), UTC)
