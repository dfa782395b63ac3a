"""The nightly recount: count a date again from its records if runs of other dates have changed its balance.

During the day a run only adjusts the balance by the rows of its commits (`moved_balances`). The recount proves that the
adjusted numbers are right. It reads only those dates.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from retailflow.contracts import FeedContract, feeds
from retailflow_spark.delta.writer import Tables
from retailflow_spark.job import run_log
from retailflow_spark.job.entry import Run
from retailflow_spark.job.run_log import RECOUNT, RUNS, Counts, checked, of
from retailflow_spark.silver.balance import Count, count_one_by_one


def recount(tables: Tables, databricks_run_id: str) -> Iterator[str]:
    """Count the dates that changed since the last recount, and record the result.

    Safe while a day runs: a newer count replaces an older one.

    Yields: a sentence for each date that does not balance.
    """
    for contract in feeds():
        if tables.spark.catalog.tableExists(tables.path(contract.silver.name)):
            yield from _recount(tables, contract, databricks_run_id)


def _recount(tables: Tables, contract: FeedContract, databricks_run_id: str) -> Iterator[str]:
    began, version = datetime.now(UTC), checked(tables, [contract.name]).get(contract.name, 0)
    days = _moved(tables, contract)
    if not days:
        return
    before = _versions(tables, contract)
    counts = {
        day: Count(balance, stray=stray)
        for day, (balance, stray) in sorted(count_one_by_one(tables, contract, days).items())
    }
    if not all(count.is_closed for count in counts.values()) and _versions(tables, contract) != before:
        print(f"{contract.name}: a run came in between; its moved dates are counted the next time")
        return
    run = Run(None, RECOUNT, contract.name, max(days), None, None, databricks_run_id, began)
    known = {"silver_version": version, "is_closed": all(count.is_closed for count in counts.values())}
    balances = [count.balance.row(day, count.is_closed) for day, count in counts.items()]
    run_log.record(tables, run, None, Counts(), is_success=bool(known["is_closed"]), balances=balances, **known)
    for day, count in counts.items():
        if not count.is_closed:
            yield count.sentence(contract.name, day)


def _moved(tables: Tables, contract: FeedContract) -> set[date]:
    """Return the dates whose balance runs of other dates have changed since the last recount.

    It leaves out dates with a run of BRONZE that is newer than SILVER: the next run of SILVER counts them.
    """
    log = tables.read(RUNS.name)
    last = log.where(of(RECOUNT, contract.name)).select(F.max("started_at").alias("last"))
    runs = log.where(F.col("layer").isin("bronze", "silver") & (F.col("name") == contract.name))
    moved = (
        runs.join(last)
        .where("layer = 'silver' AND (last IS NULL OR ended_at >= last)")
        .select(F.col("ingestion_date").alias("own"), F.explode("balances").alias("one"))
        .where("one.ingestion_date <> own")
        .select("one.ingestion_date")
        .distinct()
    )
    newest = [F.max(F.when(F.col("layer") == layer, F.col("ended_at"))).alias(layer) for layer in ("bronze", "silver")]
    settled = runs.groupBy("ingestion_date").agg(*newest).where("bronze IS NULL OR bronze <= silver")
    found = moved.join(settled, "ingestion_date", "left_semi").collect()
    return {row.ingestion_date for row in found}


def _versions(tables: Tables, contract: FeedContract) -> list[int]:
    return [tables.version(table.name) for table in (contract.bronze, contract.silver, contract.quarantine)]
