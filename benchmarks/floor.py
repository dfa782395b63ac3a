"""A day costs little more than reading it and writing it: its jobs compared with a floor program, and the day again.

The floor reads the day's files in RAW once with Spark's own readers. It writes the rows that the day left in BRONZE,
SILVER and GOLD once, in the same session. It validates and compares nothing. The benchmark measures the second day of
a workspace, without Airflow and without a process per job.
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from space import LOCAL, Space, run_day, space
from targets import Target

from retailflow.contracts import feeds, gold_tables
from retailflow.raw import day_path
from retailflow_local.simulator.files import deliver_day
from retailflow_local.simulator.world import ALL_FEEDS, World
from retailflow_local.spark_client import session
from retailflow_spark.delta.writer import Tables

DAY = date(2026, 1, 15)
ROWS_AT_SCALE_1 = 72_000
SIZES = (10_000, 1_000_000)
TABLES = 2 * len(feeds()) + len(gold_tables())
LIMITS = {10_000: 3.0, 1_000_000: 1.5}


def measure(*sizes: int) -> dict:
    return {str(rows): of_size(rows) for rows in sizes or SIZES}


def of_size(rows: int) -> dict:
    """Return the counters of a day of about `rows` records, of the same day again, and of the floor."""
    with space(heap="6g" if rows > 100_000 else None) as made:
        run_first_day(made, rows)
        with made.tables() as tables:
            before = versions(tables)
        found = second_day(made)
        with session(made.spark_remote, is_serverless=False) as spark:  # this session keeps the rows to write in memory
            tables = Tables(spark, LOCAL.catalog)
            written = {name: frame.persist() for name, frame in left(tables, before).items()}
            count = sum(frame.count() for frame in written.values())
            found["floor"] = made.measured(lambda: floor(made, tables, written))
        return found | {"rows_left": count}


def run_first_day(made: Space, rows: int) -> None:
    """Deliver two days of about `rows` records each, and run the first."""
    world = World(7, rows / ROWS_AT_SCALE_1)
    for day in (DAY - timedelta(days=1), DAY):
        deliver_day(made.raw_store(), world, day, feeds=ALL_FEEDS)
    run_day(made, DAY - timedelta(days=1))


def second_day(made: Space) -> dict:
    """Return the counters of the second day, and of the same day again."""
    return {"day": made.measured(lambda: run_day(made, DAY)), "again": made.measured(lambda: run_day(made, DAY))}


def versions(tables: Tables) -> dict[str, int]:
    kept = [table for contract in feeds() for table in contract.silver_tables]
    names = [table.name for table in (*kept, *(contract.table for contract in gold_tables()))]
    return {name: tables.version(name) for name in names}


def left(tables: Tables, before: dict[str, int]) -> dict[str, DataFrame]:
    """Return the rows that the day left, by table: its slice of BRONZE, and rows inserted or changed elsewhere."""
    of_day = F.col("ingestion_date") == F.lit(DAY)
    slices = {one.bronze.name: tables.read(one.bronze.name).where(of_day) for one in feeds()}
    now = versions(tables)
    changed = {
        name: tables.changes(name, version + 1, now[name], "insert", "update_postimage")
        for name, version in before.items()
        if now[name] > version
    }
    return slices | changed


def floor(made: Space, tables: Tables, written: dict[str, DataFrame]) -> None:
    for contract in feeds():
        folder = f"{LOCAL.raw.root}/{day_path(contract.name, DAY)}"
        reader = tables.spark.read.option("pathGlobFilter", "batch_*")
        names = ", ".join(f"{column.name} STRING" for column in contract.feed_columns)
        if contract.format == "parquet":
            frame = reader.parquet(folder)
        elif contract.format == "csv":
            frame = reader.schema(names).csv(folder, header=True)
        elif contract.format.startswith("ndjson"):
            frame = reader.schema(names).json(folder)
        else:
            frame = reader.schema(f"{contract.name} ARRAY<STRUCT<{names}>>").json(folder, multiLine=True)
        frame.write.format("noop").mode("overwrite").save()
    for name, frame in written.items():
        frame.coalesce(1).write.format("delta").save(str(made.root / "floor" / name))


def targets(figures: dict) -> list[Target]:
    found = []
    for rows, of in figures.items():
        cpu = {part: of[part]["cpu_seconds"] for part in ("day", "again", "floor")}
        limit = LIMITS.get(int(rows), max(LIMITS.values()))
        found += [
            Target(
                f"CPU of a day of {rows} records, as a multiple of the floor",
                limit,
                round(cpu["day"] / cpu["floor"], 2),
            ),
            Target(
                f"CPU of the same day again, {rows} records, of the first", 0.3, round(cpu["again"] / cpu["day"], 2)
            ),
            Target(f"Spark jobs a table, day of {rows} records", 6, round(of["day"]["jobs"] / TABLES, 1)),
        ]
    return found
