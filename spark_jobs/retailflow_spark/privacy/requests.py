"""The requests for erasure and their progress (`ops.erasures`).

Requests, parameters, logs and this module identify customers and browsers only by the SHA-256 of their id. A request is
kept forever, because a source may send a person again.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pyspark.sql import Row
from pyspark.sql import functions as F

from retailflow.contracts import Column, FeedContract, Table, feeds
from retailflow_spark.delta.schema import create
from retailflow_spark.delta.writer import Tables
from retailflow_spark.privacy.subjects import VISITOR, Subjects, digest

CUSTOMER_KIND, BROWSER_KIND = "customer", "browser"
ERASURES = Table(
    name="ops.erasures",
    description="Customers to be erased, with the browsers they were seen in, and how far each request is.",
    columns=(
        Column(
            "subject_sha256", "STRING", "SHA-256 of the id of the customer or browser, in hexadecimal.", required=True
        ),
        Column("kind", "STRING", "browser; else a customer."),
        Column("requested_at", "TIMESTAMP", "When the erasure was first requested.", required=True),
        Column("confirmed_at", "TIMESTAMP", "When the erasure was confirmed; null until then."),
        Column("rebuilt_at", "TIMESTAMP", "Since when no table has them; older versions may."),
        Column("erased_at", "TIMESTAMP", "Since when no file has them; null until then."),
        Column("looked_at", "TIMESTAMP", "Up to when BRONZE was searched for them."),
    ),
    key=("subject_sha256",),
)
REDACTIONS = Table(
    name="ops.redactions",
    description="The receipts of erasure: batches of RAW that were rewritten without a person, and deleted files.",
    columns=(
        Column("name", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the batch.", required=True),
        Column("redacts", "STRING", "The batch whose files are deleted, or a file that no batch names.", required=True),
        Column("record_count", "BIGINT", "Records that were removed or made anonymous.", required=True),
        Column("databricks_run_id", "STRING", "The run that did it.", required=True),
        Column("redacted_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("redacts", "redacted_at"),
)


class RequestError(ValueError):
    """A request is refused because its digest is not the id of a person."""


def personal() -> list[FeedContract]:
    """Return the feeds with personal records."""
    return [contract for contract in feeds() if contract.erasure]


def visitor_column(contract: FeedContract) -> Column | None:
    """Return the column with the browser's id; None if the feed has none."""
    return next((column for column in contract.feed_columns if column.name == VISITOR), None)


def request(tables: Tables, subjects: Iterable[str], kind: str = CUSTOMER_KIND) -> None:
    """Record requests to erase these subjects. Existing requests do not change. The erasure needs a confirmation.

    Raises: RequestError for the digest of a blank, reserved or placeholder id, which is nobody's.
    """
    subjects = list(subjects)
    if not subjects:
        return
    if nobody := {digest(text) for text in _nobody()} & set(subjects):
        raise RequestError(f"{len(nobody)} of the digests are those of a blank or placeholder id, which is nobody's.")
    create(tables, [ERASURES])
    about = {"kind": kind, "requested_at": datetime.now(UTC)}
    rows = [dict.fromkeys(ERASURES.column_names) | about | {"subject_sha256": subject} for subject in subjects]
    tables.insert_if_absent(rows, ERASURES)


def _nobody() -> Iterable[str]:
    yield from ("", "0", "-1", "unknown", "online")
    for contract in personal():
        if column := visitor_column(contract):
            yield from column.placeholders


def rows(tables: Tables) -> list[Row]:
    """Return all requests; none before the first one."""
    if not tables.spark.catalog.tableExists(tables.path(ERASURES.name)):
        return []
    return tables.read(ERASURES.name).collect()


def subjects_of(requests: Iterable[Row]) -> Subjects:
    """Return the subjects of these requests: the customers, and the browsers that are confirmed to be theirs."""
    requests = list(requests)
    return Subjects(
        frozenset(row.subject_sha256 for row in requests if row.kind != BROWSER_KIND),
        {
            row.subject_sha256: row.requested_at.astimezone(UTC)
            for row in requests
            if row.kind == BROWSER_KIND and row.confirmed_at
        },
    )


def mark(tables: Tables, subjects: Iterable[str], **moments: datetime | None) -> None:
    """Set these moments in the requests of these subjects."""
    is_theirs = F.col("subject_sha256").isin(list(subjects))
    found = tables.read(ERASURES.name)
    for name, moment in moments.items():
        found = found.withColumn(name, F.when(is_theirs, F.lit(moment).cast("timestamp")).otherwise(F.col(name)))
    tables.sync_rows(ERASURES, found, None)


def receipt(tables: Tables, contract: FeedContract, day: date, redacts: str, count: int, run_id: str) -> None:
    """Record a redaction or deletion before it happens, so that none is without a receipt."""
    create(tables, [REDACTIONS])
    row = {"name": contract.name, "ingestion_date": day, "redacts": redacts, "record_count": count}
    row |= {"databricks_run_id": run_id, "redacted_at": datetime.now(UTC)}
    tables.append_rows([row], REDACTIONS)
