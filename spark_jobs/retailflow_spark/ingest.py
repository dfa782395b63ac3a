"""A source API to RAW: every page of a day's changes, byte for byte, as one batch that appears whole or not at all."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from retailflow.environments import Environment, Source
from retailflow.manifests import ulid
from retailflow.raw import Part, RawStore, complete, deliver, is_complete, join_pages
from retailflow_spark.secrets import open_raw, secret

PAGE_SIZE = 500
TIMEOUT_SECONDS = (5, 60)  # connect, read
# Waits 0.5, 1, 2 … up to 60 s, or what Retry-After says; a throttled page is asked for again, never skipped.
_RETRY = Retry(total=8, backoff_factor=0.5, backoff_max=60, status_forcelist=(429, 500, 502, 503, 504))


class SourceError(RuntimeError):
    """The source API does not answer, or answered something that is not a page."""


def ingest_day(environment: Environment, entity: str, ingestion_date: date) -> str:
    """Deliver a day's batch of an API entity and say what was done. Does nothing where the day is complete."""
    source = environment.sources[entity]
    token = secret(environment, source.token_secret)
    return deliver_pages(open_raw(environment), entity, ingestion_date, source, token)


def deliver_pages(store: RawStore, entity: str, ingestion_date: date, source: Source, token: str) -> str:
    """Safe to kill at any point, to repeat, and to run twice at once.

    The batch id follows from entity and date and the file's name from its content, so that whatever an earlier try left
    is either the same file or one that no manifest names; the first manifest written is the day's batch.
    """
    if is_complete(store, entity, ingestion_date):
        return f"{entity} {ingestion_date}: already complete in RAW, nothing asked of the source"
    if not store.manifests(entity, ingestion_date):
        payloads, records = [], 0
        for payload, count in pages(source, entity, ingestion_date, token):
            payloads.append(payload)
            records += count
        payload = join_pages(payloads)
        digest = hashlib.sha256(payload).hexdigest()
        parts = [Part(f".{digest[:12]}.json", payload, records)] if records else []
        day_end = datetime.combine(ingestion_date + timedelta(days=1), datetime.min.time(), UTC)
        deliver(store, entity, ingestion_date, ulid(day_end, "ingest", entity), datetime.now(UTC), parts)
    complete(store, entity, ingestion_date)
    delivered = sum(file.records for manifest in store.manifests(entity, ingestion_date) for file in manifest.files)
    return f"{entity} {ingestion_date}: {delivered} records in RAW"


def pages(source: Source, entity: str, ingestion_date: date, token: str) -> Iterator[tuple[bytes, int]]:
    """The pages of a day's changes, each as received, with the number of its records.

    Raises: SourceError for no answer, or one that is not such a page; the message never holds the token.
    """
    url = f"{source.base_url}/{entity}"
    query = {"updated_date": f"{ingestion_date:%Y-%m-%d}", "limit": str(PAGE_SIZE)}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
        while True:
            try:
                answer = session.get(url, params=query, timeout=TIMEOUT_SECONDS)
            except requests.RequestException as error:
                raise SourceError(f"{url} does not answer for {ingestion_date}: {type(error).__name__}") from error
            if answer.status_code != 200:
                raise SourceError(f"{url} answered {answer.status_code} for {ingestion_date}: {answer.text[:200]}")
            page = _page(url, entity, answer.content)
            yield answer.content, len(page[entity])
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]


def _page(url: str, entity: str, payload: bytes) -> dict:
    try:
        page = json.loads(payload)
        if isinstance(page[entity], list) and isinstance(page["next_cursor"], str | None):
            return page
    except (ValueError, KeyError, TypeError):
        pass
    raise SourceError(f"{url} answered something else than a page with {entity!r} and 'next_cursor'")
