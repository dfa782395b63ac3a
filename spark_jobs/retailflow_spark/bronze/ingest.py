"""Ingest a source API into RAW: every page of a day's changes, byte for byte, as one batch that appears as a whole."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import count

from retailflow.environments import Environment, Source
from retailflow.manifests import counted, counting_for
from retailflow.raw import Part, RawStore, complete, deliver, ingested_batch_ids, is_complete, join_pages
from retailflow_spark.bronze.source_api import Page, TimeLimit, pages
from retailflow_spark.job.secrets import open_raw, secret


def ingest_day(environment: Environment, feed: str, ingestion_date: date) -> str:
    """Deliver a day's batch of an API feed, unless the day is complete. Returns what was done, as a sentence."""
    limit = TimeLimit(environment.run_timeout_minutes)
    source = environment.sources[feed]
    token = secret(environment, source.token_secret)
    return deliver_pages(open_raw(environment), feed, ingestion_date, source, token, limit)


def deliver_pages(
    store: RawStore, feed: str, ingestion_date: date, source: Source, token: str, limit: TimeLimit
) -> str:
    """Deliver the pages of a day as one batch. Returns what was done, as a sentence.

    It may be killed at any point, repeated, and run twice at once. The batch id follows from feed and date, and the
    name of a part from its content. So a part of an earlier try is either the same or no manifest names it, and the
    first manifest written is the day's batch. Other batches in the day's folder do not matter. After this batch is
    withdrawn, the next run requests the pages again.

    Raises: SourceError, BadManifest.
    """
    manifests = store.manifests(feed, ingestion_date)
    known = {manifest.batch_id for manifest in manifests}
    batch_id = next(
        batch_id
        for batch_id in ingested_batch_ids(feed, ingestion_date)
        if batch_id not in known or not counting_for(manifests, batch_id).is_withdrawal
    )
    if batch_id not in known:
        parts = as_parts(pages(source, feed, ingestion_date, token, limit), source.part_megabytes * 1_000_000)
        manifests.append(deliver(store, feed, ingestion_date, batch_id, datetime.now(UTC), parts))
    elif is_complete(store, feed, ingestion_date):
        return f"{feed} {ingestion_date}: already complete in RAW, nothing asked of the source"
    complete(store, feed, ingestion_date)
    return f"{feed} {ingestion_date}: {sum(batch.records for batch in counted(manifests))} records in RAW"


def as_parts(received: Iterable[Page], most_bytes: int) -> Iterator[Part]:
    """Yield the pages as files of at most `most_bytes`; a larger page is a file by itself. Keeps one or two in memory.

    If no page has a record, it yields nothing: a day without records is a batch without files.
    """
    numbers, pending, size, records = count(1), [], 1, 0  # a bracket, and a comma or bracket after each page
    for page in received:
        if records and size + len(page.payload) + 1 > most_bytes:
            yield _part(next(numbers), pending, records)
            pending, size, records = [], 1, 0
        pending.append(page.payload)
        size += len(page.payload) + 1
        records += page.records
    if records:
        yield _part(next(numbers), pending, records)


def _part(number: int, payloads: list[bytes], records: int) -> Part:
    payload = join_pages(payloads)
    return Part(f".{number:04d}.{hashlib.sha256(payload).hexdigest()[:12]}.json", payload, records)
