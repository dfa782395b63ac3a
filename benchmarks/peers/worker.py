"""Run a peer's work in the peers' own environment. Standard input has one order per line, as JSON.

The work is a day of payments. First, all records as received replace the day's slice of one table. Then the latest
typed record of each event goes into a second table; an older day never overwrites a newer one there.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
FIELDS = (
    *("payment_event_id", "payment_id", "order_id", "event_type", "amount", "currency", "method", "provider"),
    *("occurred_at", "recorded_at"),
)
A_FILE = 100_000


def files(folder: str, day: str, first: int, end: int, new_from: int) -> list[int]:
    """Write a day's events with these numbers as NDJSON. Events before `new_from` correct events of the day before.

    Returns the number of records of each file.
    """
    Path(folder).mkdir(parents=True)
    counts = []
    for start in range(first, end, A_FILE):
        stop = min(start + A_FILE, end)
        counts.append(stop - start)
        duckdb.execute(
            f"""
            COPY (
              SELECT format('E{{:010d}}', i) AS payment_event_id, format('P{{:010d}}', i // 2) AS payment_id,
                format('O{{:010d}}', i // 2) AS order_id,
                ['authorized', 'captured', 'refunded', 'voided'][1 + i % 4] AS event_type,
                format('{{:d}}.{{:02d}}', 1 + hash(i + {first}) % 900, i % 100) AS amount, 'EUR' AS currency,
                'card' AS method, 'adyen' AS provider, strftime(occurred, '%Y-%m-%dT%H:%M:%SZ') AS occurred_at,
                strftime(TIMESTAMP '{day} 23:59:59', '%Y-%m-%dT%H:%M:%SZ') AS recorded_at
              FROM (
                SELECT range AS i, TIMESTAMP '{day}' - to_days((range < {new_from})::INTEGER)
                  + to_seconds((hash(range) % 80000)::INTEGER) AS occurred
                FROM range({start}, {stop})
              )
            ) TO '{folder}/part_{len(counts):04}.ndjson' (FORMAT json)
            """
        )
    return counts


def digest(folder: str) -> str:
    """Return the count of the rows in Parquet files and the sum of their hashes, independent of their order."""
    query = f"SELECT count(*), sum(hash(r))::VARCHAR FROM read_parquet('{folder}/*.parquet') r"
    return "/".join(map(str, duckdb.execute(query).fetchone()))


def dbt(target: str, folder: str, day: str) -> None:
    from dbt.cli.main import dbtRunner

    variables = json.dumps({"folder": folder, "day": day})
    options = ["--target", target, "--project-dir", str(HERE / "dbt"), "--profiles-dir", str(HERE / "dbt"), "--quiet"]
    result = dbtRunner().invoke(["run", "--vars", variables, *options])
    if not result.success:
        raise RuntimeError(f"dbt: {result.exception or [one.message for one in result.result]}")


def dbt_spark(folder: str, day: str, root: str) -> None:
    dbt("spark", folder, day)


def dbt_duckdb(folder: str, day: str, root: str) -> None:
    dbt("duckdb", folder, day)


def polars(folder: str, day: str, root: str) -> None:
    import polars as pl
    from deltalake import DeltaTable, write_deltalake

    date = pl.lit(day).str.to_date()
    schema = dict.fromkeys(FIELDS, pl.String)
    received = pl.read_ndjson(f"{folder}/*.ndjson", schema=schema, include_file_paths="source_file")
    received = received.with_columns(ingestion_date=date)
    bronze, silver = f"{root}/bronze_payments", f"{root}/silver_payments"
    is_first = not DeltaTable.is_deltatable(bronze)
    where = {} if is_first else {"predicate": f"ingestion_date = '{day}'"}
    write_deltalake(bronze, received, mode="overwrite", partition_by=["ingestion_date"], **where)
    moment = pl.col("occurred_at", "recorded_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    typed = (
        received.drop("source_file")
        .with_columns(moment, pl.col("amount").cast(pl.Decimal(18, 4)))
        .with_columns(occurred_date=pl.col("occurred_at").dt.date())
        .sort("recorded_at")
        .unique("payment_event_id", keep="last")
    )
    if is_first:
        write_deltalake(silver, typed, partition_by=["occurred_date"])
        return
    dates = ", ".join(f"'{one}'" for one in typed["occurred_date"].unique())
    same = "t.payment_event_id = s.payment_event_id AND t.occurred_date = s.occurred_date"
    merge = DeltaTable(silver).merge(
        typed, f"{same} AND t.occurred_date IN ({dates})", source_alias="s", target_alias="t"
    )
    merge.when_matched_update_all("s.recorded_at > t.recorded_at").when_not_matched_insert_all().execute()


def export_dbt_duckdb(root: str, folder: str) -> None:
    """Write the second table as Parquet, for its digest."""
    with duckdb.connect(os.environ["PEERS_DUCKDB"]) as connection:
        connection.execute(f"COPY ({_plain('peers.silver_payments')}) TO '{folder}/rows.parquet' (FORMAT parquet)")


def export_polars(root: str, folder: str) -> None:
    from deltalake import DeltaTable

    found = DeltaTable(f"{root}/silver_payments").to_pyarrow_dataset()  # noqa: F841
    duckdb.execute(f"COPY ({_plain('found')}) TO '{folder}/rows.parquet' (FORMAT parquet)")


def _plain(table: str) -> str:
    """Return a query of only numbers and text, which all engines write in the same way."""
    moments = (f"epoch_us({name}) AS {name}" for name in FIELDS[-2:])
    dates = (f"strftime({name}, '%Y-%m-%d') AS {name}" for name in ("occurred_date", "ingestion_date"))
    amount = "CAST(amount * 10000 AS BIGINT) AS amount"
    names = (amount if name == "amount" else name for name in FIELDS[:-2])
    return f"SELECT {', '.join((*names, *moments, *dates))} FROM {table}"


def main(work: dict[str, Callable]) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = work[order.pop("work")](**order)
        print("answer", json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(
        {one.__name__: one for one in (files, digest, dbt_spark, dbt_duckdb, polars, export_dbt_duckdb, export_polars)}
    )
