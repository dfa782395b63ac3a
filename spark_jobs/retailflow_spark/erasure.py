"""Erasure of customers: who is to be erased, where they are, and RAW without them.

The tables are a function of RAW. So a person is redacted in RAW, the dates are rebuilt as in any replay, and what is
left is to delete the files of older versions (purge.py; docs/adr/0007). Customers are known by the SHA-256 of their id
alone: in the request, in parameters and logs, and here. A request stands for good: a source may send a person again.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from retailflow.contracts import Column, EntityContract, Table, entities
from retailflow.manifests import Manifest, counted, neighbours
from retailflow.raw import RawStore
from retailflow_spark.redaction import CUSTOMER, redact, sweep
from retailflow_spark.tables import Tables

VISITOR = "anonymous_id"  # of the browser: a customer's, also before they said who they are
_TEXTS = ("record", "_corrupt_record", "_rescued_data")
ERASURES = Table(
    name="ops.erasures",
    description="Customers to be erased, with the browsers they were seen in, and how far that is.",
    columns=(
        Column(
            "subject_sha256", "STRING", "SHA-256 of the id of the customer or browser, in hexadecimal.", required=True
        ),
        Column("requested_at", "TIMESTAMP", "When it was first asked for.", required=True),
        Column("rebuilt_at", "TIMESTAMP", "Since when no table holds them; older versions may."),
        Column("erased_at", "TIMESTAMP", "Since when no file holds them; null while one does."),
    ),
    key=("subject_sha256",),
)
REDACTIONS = Table(
    name="ops.redactions",
    description="The receipts of erasure: batches of RAW that were written anew without a person.",
    columns=(
        Column("entity", "STRING", "Feed.", required=True),
        Column("ingestion_date", "DATE", "Date of the batch.", required=True),
        Column("batch_id", "STRING", "The batch that counts now.", required=True),
        Column("redacts", "STRING", "The batch whose files are deleted.", required=True),
        Column("record_count", "BIGINT", "Records that were removed or made anonymous.", required=True),
        Column("databricks_run_id", "STRING", "The run that did it.", required=True),
        Column("redacted_at", "TIMESTAMP", "When.", required=True),
    ),
    key=("batch_id",),
)
Plan = dict[str, dict[str, int]]


def personal() -> list[EntityContract]:
    """The feeds that have people in them."""
    return [contract for contract in entities() if contract.erasure]


def request(tables: Tables, subjects: Iterable[str]) -> None:
    """Take these down as to be erased. Those that stand there already stay as they are."""
    tables.create([ERASURES])
    moments = {"requested_at": datetime.now(UTC), "rebuilt_at": None, "erased_at": None}
    if rows := [{"subject_sha256": subject, **moments} for subject in subjects]:
        tables.insert_absent(rows, ERASURES)


def find(tables: Tables) -> Plan:
    """Per feed and ingestion date, how many records of the requested BRONZE holds; opens the requests again if any.

    The browsers of a customer are taken down first: later nothing tells any more whose they were.
    """
    tables.create([ERASURES])
    plan: Plan = {}
    for contract in _present(tables):
        if VISITOR in contract.bronze.column_names:
            seen = tables.read(contract.bronze.name).where(_is_of(asked(tables), CUSTOMER) & F.col(VISITOR).isNotNull())
            request(tables, [row[0] for row in seen.select(F.sha2(VISITOR, 256)).distinct().collect()])
        if days := sorted(theirs(tables, contract).groupBy("ingestion_date").count().collect()):
            plan[contract.name] = {str(row.ingestion_date): row["count"] for row in days}
    if plan:
        mark(tables, rebuilt_at=None, erased_at=None)
    return plan


def redact_day(tables: Tables, store: RawStore, contract: EntityContract, ingestion_date: date, run_id: str) -> int:
    """Redact the batches of a date in RAW. Returns the number of their records. Safe to repeat."""
    tables.create([REDACTIONS])
    of_day = theirs(tables, contract).where(F.col("ingestion_date") == F.lit(ingestion_date))
    found = of_day.groupBy("_batch_id", "_source_file").agg(F.collect_set("_position").alias("positions")).collect()
    done = 0
    for batch in counted(store.manifests(contract.name, ingestion_date)):
        files = {row._source_file.rpartition("/")[2]: row.positions for row in found if row._batch_id == batch.batch_id}
        if files:  # else it has nobody in it, or BRONZE has yet to be rebuilt from it
            count = sum(map(len, files.values()))
            _receipt(tables, batch, count, run_id)
            redact(store, contract, batch, files)
            done += count
    for path in sweep(store, contract.name, ingestion_date):
        print(f"{path} is immutable for some days yet, and is deleted after them")
    return done


def _receipt(tables: Tables, batch: Manifest, count: int, run_id: str) -> None:
    """Before the deed, so that none is without one."""
    new = next(neighbours(batch.batch_id))
    row = {"entity": batch.entity, "ingestion_date": batch.ingestion_date, "batch_id": new, "redacts": batch.batch_id}
    row |= {"record_count": count, "databricks_run_id": run_id, "redacted_at": datetime.now(UTC)}
    tables.append_once([row], REDACTIONS, f"redactions/{new}")


def theirs(tables: Tables, contract: EntityContract) -> DataFrame:
    """The records of BRONZE that speak of the requested."""
    return tables.read(contract.bronze.name).where(is_about(asked(tables), contract.bronze.column_names))


def _present(tables: Tables) -> list[EntityContract]:
    return [c for c in personal() if tables.spark.catalog.tableExists(tables.path(c.bronze.name))]


def asked(tables: Tables) -> list[str]:
    return [row.subject_sha256 for row in tables.read(ERASURES.name).collect()]


def mark(tables: Tables, **moments: datetime | None) -> None:
    """Set these moments of all requests, once for all: what is proved is proved of all of them."""
    rows = tables.read(ERASURES.name)
    for name, moment in moments.items():
        rows = rows.withColumn(name, F.lit(moment).cast("timestamp"))
    tables.make_equal(ERASURES, rows, None)


def is_about(ids: list[str], columns: Collection[str]) -> SparkColumn:
    """Whether a row of these columns speaks of one of them: by their id; from a browser of theirs, where it says no
    customer; or in text that could not be read, or that the contract does not know."""
    condition = F.lit(False)
    if CUSTOMER in columns:
        condition |= _is_of(ids, CUSTOMER)
        if VISITOR in columns:
            condition |= F.col(CUSTOMER).isNull() & _is_of(ids, VISITOR)
    if texts := [name for name in _TEXTS if name in columns]:
        words = F.regexp_extract_all(F.coalesce(*texts), F.lit(r"([\w-]+)"), F.lit(1))
        condition |= F.coalesce(F.exists(words, lambda word: F.sha2(word, 256).isin(ids)), F.lit(False))
    return condition


def _is_of(ids: list[str], column: str) -> SparkColumn:
    return F.coalesce(F.sha2(column, 256).isin(ids), F.lit(False))
