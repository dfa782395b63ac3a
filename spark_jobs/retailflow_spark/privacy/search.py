"""Search for the records of the requested subjects in BRONZE, and for the browsers that customers used.

Spark finds records that may name a subject; plain Python decides for each record (subjects.py). No query contains an
id.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, FeedContract
from retailflow_spark.delta.writer import Tables
from retailflow_spark.privacy.requests import personal, visitor_column
from retailflow_spark.privacy.subjects import CUSTOMER, VISITOR, Record, Subjects, digest, is_placeholder, texts_in
from retailflow_spark.silver.values import UNKNOWN_ID, trimmed

PLACE = ("ingestion_date", "_batch_id", "_source_file", "_position")
_PLACE_AND_FATE = "ingestion_date DATE, _batch_id STRING, _source_file STRING, _position BIGINT, found STRING"


@dataclass(frozen=True)
class Browser:
    """A browser that one of the requested customers used, by its digest."""

    sha256: str
    events: int
    other_customers: int
    is_placeholder: bool
    most_events: int

    @property
    def belongs_to_them(self) -> bool:
        """Whether it is theirs alone: no other known customer used it, and it has no more events than one person."""
        return not self.is_placeholder and not self.other_customers and self.events <= self.most_events

    def __str__(self) -> str:
        used = f"events: {self.events:,}, other customers: {self.other_customers:,}"
        return f"browser {self.sha256} ({'a placeholder, ' if self.is_placeholder else ''}{used})"

    @property
    def advice(self) -> str:
        """What to do with a browser that is not theirs alone."""
        if self.is_placeholder:
            return "It is no browser's id, so its events are nobody's"
        return "It is not theirs alone; give it as `browsers` to erase its events too"


def records_of_subjects(
    tables: Tables, contract: FeedContract, subjects: Subjects, days: Iterable[date] | None = None
) -> DataFrame:
    """Return the records of BRONZE that name one of the subjects: the columns `PLACE` and `found`, one row per record.

    Args:
        days: the ingestion dates to search; None means all.
    """
    records = tables.read(contract.bronze.name)
    if days is not None:
        records = records.where(F.col("ingestion_date").isin(sorted(days)))

    def decide(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            decided = ((row, subjects.fate(record_of(row, contract))) for row in batch.to_pylist())
            found = [{name: row[name] for name in PLACE} | {"found": fate.value} for row, fate in decided if fate]
            yield pa.RecordBatch.from_pylist(found, _SCHEMA)

    columns = [name for name in (*PLACE, *_read_by(contract)) if name in records.columns]
    return _candidates(tables, contract, subjects, records).select(*columns).mapInArrow(decide, _PLACE_AND_FATE)


_SCHEMA = pa.schema(
    [
        ("ingestion_date", pa.date32()),
        ("_batch_id", pa.string()),
        ("_source_file", pa.string()),
        ("_position", pa.int64()),
        ("found", pa.string()),
    ]
)


def record_of(row: dict, contract: FeedContract) -> Record:
    """Return the parts of a row of BRONZE that show whose record it is."""
    nested = ((column, row[column.name]) for column in contract.feed_columns if column.is_nested)
    moment = _moment_of(contract)
    return Record(
        customer=row.get(CUSTOMER),
        visitor=row.get(VISITOR),
        moment=_parsed(row.get(moment)) if moment else None,
        known=tuple(text for column, value in nested if value for text in texts_in(value, column.fields)),
        unknown=tuple(texts_in(row["_rescued_data"])) if row["_rescued_data"] else (),
        unreadable=row["_corrupt_record"],
    )


def _read_by(contract: FeedContract) -> list[str]:
    moment = _moment_of(contract)
    nested = (column.name for column in contract.feed_columns if column.is_nested)
    return [CUSTOMER, VISITOR, *([moment] if moment else []), *nested, "_rescued_data", "_corrupt_record"]


def _moment_of(contract: FeedContract) -> str | None:
    """Return the column with the moment of the record's event."""
    return next((column.date_of for column in contract.silver.columns if column.date_of), None)


def _parsed(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip().upper()) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


def _candidates(tables: Tables, contract: FeedContract, subjects: Subjects, records: DataFrame) -> DataFrame:
    """Return the records that may name one of the subjects. It is a cheap filter that misses none."""
    possible = F.col("_rescued_data").isNotNull() | F.col("_corrupt_record").isNotNull()
    for column, digests in ((CUSTOMER, dict.fromkeys(subjects.customers)), (VISITOR, subjects.browsers)):
        if column in records.columns:
            records = flagged(records, column, digests, f"_is_{column}")
            possible |= F.col(f"_is_{column}").isNotNull()
    nested = [column.name for column in contract.feed_columns if column.is_nested]
    if nested:
        text = F.concat_ws(" ", *nested)
        records = records.join(_ids(tables, subjects).agg(F.collect_set("id").alias("_ids")).hint("broadcast"))
        # An id may contain an escaped letter.
        possible |= F.exists("_ids", lambda one: F.instr(text, one) > 0) | F.contains(text, F.lit("\\u"))
    return records.where(possible)


def flagged(records: DataFrame, column: str, digests: Mapping[str, datetime | None], flag: str) -> DataFrame:
    """Return the records with a column `flag`, which is null unless the id in `column` is one of these.

    Its value is the moment of the id, or the end of time. It is a join, because there may be many ids.
    """
    rows = [(one, moment or datetime.max.replace(tzinfo=UTC)) for one, moment in digests.items()]
    listed = records.sparkSession.createDataFrame(rows, f"_digest STRING, {flag} TIMESTAMP").hint("broadcast")
    is_same = F.sha2(trimmed(F.col(column)), 256) == F.col("_digest")
    return records.join(listed, is_same, "left").drop("_digest")


def _ids(tables: Tables, subjects: Subjects) -> DataFrame:
    """Return the ids of the customers, as column `id`, if BRONZE has them in their own column."""
    together = tables.spark.createDataFrame([], "id STRING")
    for contract in present(tables):
        if CUSTOMER in contract.bronze.column_names:
            records = tables.read(contract.bronze.name).select(trimmed(F.col(CUSTOMER)).alias("id"))
            records = flagged(records, "id", dict.fromkeys(subjects.customers), "_is").where("_is IS NOT NULL")
            together = together.union(records.select("id"))
    return together.distinct()


def browsers_of(tables: Tables, subjects: Subjects) -> list[Browser]:
    """Return the browsers in which events with the id of a requested customer happened."""
    found = []
    for contract in present(tables):
        if column := visitor_column(contract):
            found += _browsers(tables, contract, column, subjects)
    return found


def _browsers(tables: Tables, contract: FeedContract, column: Column, subjects: Subjects) -> Iterator[Browser]:
    visitor, customer = trimmed(F.col(VISITOR)).alias("_visitor"), trimmed(F.col(CUSTOMER)).alias("_customer")
    events = tables.read(contract.bronze.name).select(visitor, customer).where("_visitor IS NOT NULL")
    events = flagged(events, "_customer", dict.fromkeys(subjects.customers), "_is_theirs")
    seen = events.where("_is_theirs IS NOT NULL").select("_visitor").distinct()
    other = F.when(F.col("_is_theirs").isNull() & (F.col("_customer") != UNKNOWN_ID), F.col("_customer"))
    used = events.join(seen, "_visitor", "left_semi").groupBy("_visitor")
    counted = used.agg(F.count("*").alias("events"), F.count_distinct(other).alias("others"))
    for row in counted.collect():  # the values stay in this process; only digests leave it
        is_nobody = is_placeholder(row._visitor, column)
        yield Browser(digest(row._visitor), row.events, row.others, is_nobody, column.most_records)


def present(tables: Tables) -> list[FeedContract]:
    """Return the feeds with personal records whose BRONZE table exists."""
    return [c for c in personal() if tables.spark.catalog.tableExists(tables.path(c.bronze.name))]
