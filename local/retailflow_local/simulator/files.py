"""Write a day's delivery of the feeds to RAW, as the source systems would."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from retailflow.contracts import feed_contract as contract
from retailflow.manifests import Manifest, ulid
from retailflow.raw import Part, RawStore, complete, deliver, join_pages
from retailflow_local.simulator import encode
from retailflow_local.simulator.late import late_records
from retailflow_local.simulator.tills import trading_shops
from retailflow_local.simulator.trouble import Trouble, delivered
from retailflow_local.simulator.world import ALL_FEEDS, API_FEEDS, FILE_FEEDS, World


def parts(world: World, feed: str, day: date, trouble: Trouble) -> list[Part]:
    """Return a day's data files. Orders and customers are the API's pages, as the ingestion would store them."""
    records = [record for _, record in delivered(world, feed, day, trouble)]
    tills = trading_shops(day) if feed == "store_sales" else []
    return _encode(feed, records, day, tills, new_column=trouble.new_columns)


def deliver_day(
    store: RawStore,
    world: World,
    day: date,
    trouble: Trouble | None = None,
    feeds: Iterable[str] = FILE_FEEDS,
    leave_open: Iterable[str] = (),
) -> list[Manifest]:
    """Write a day's batch of each feed and, except for `leave_open`, `_SUCCESS`. Repeating it changes nothing."""
    open_feeds = frozenset(leave_open)
    manifests = []
    for feed in feeds:
        at = _exported_at(feed, day)
        batch = parts(world, feed, day, trouble or Trouble.none())
        manifests.append(deliver(store, feed, day, ulid(at, feed, str(day), "day"), at, batch))
        if feed not in open_feeds:
            complete(store, feed, day)
    return manifests


def deliver_late(store: RawStore, world: World, feed: str, day: date) -> Manifest:
    """Write a second batch to a day's folder, six hours after the first: missing rows, newer versions, re-sent rows."""
    at = _exported_at(feed, day) + timedelta(hours=6)
    batch = _encode(feed, late_records(world, feed, day), day, [], new_column=False)
    return deliver(store, feed, day, ulid(at, feed, str(day), "late"), at, batch)


def _exported_at(feed: str, day: date) -> datetime:
    """Return 00:30 UTC of the next day, plus some minutes that depend on the feed."""
    return datetime.combine(day, time(0, 30), UTC) + timedelta(days=1, minutes=3 * ALL_FEEDS.index(feed) % 30)


def _encode(feed: str, records: list[dict], day: date, tills: list[str], *, new_column: bool) -> list[Part]:
    if feed == "store_sales":
        return [
            Part(f".{store_id}.csv", encode.csv(feed, lines, new_column=new_column), len(lines))
            for store_id, lines in sorted(_grouped(records, "store_id", tills).items())
        ]
    if feed == "clickstream":
        return [
            Part(f".h{hour}.ndjson.gz", encode.zipped(encode.ndjson(events)), len(events))
            for hour, events in sorted(_by_hour(records, day).items())
        ]
    if not records:
        return []
    return [_single(feed, records, new_column=new_column)]


def _single(feed: str, records: list[dict], *, new_column: bool) -> Part:
    count = len(records)
    form = contract(feed).format
    if feed in API_FEEDS:
        starts = range(0, count, encode.PAGE_LIMIT)
        return Part(".json", join_pages([encode.page(feed, records, start) for start in starts]), count)
    if form.startswith("json"):
        return Part(".json", encode.json_bytes({feed: records}), count)
    if form == "csv":
        return Part(".csv", encode.csv(feed, records, new_column=new_column), count)
    if form == "ndjson_gzip":
        return Part(".ndjson.gz", encode.zipped(encode.ndjson(records)), count)
    if form == "parquet":
        return Part(".parquet", encode.parquet(feed, records, new_column=new_column), count)
    return Part(".ndjson", encode.ndjson(records), count)


def _grouped(records: list[dict], field: str, keys: Iterable[str]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {key: [] for key in keys}
    for record in records:
        groups.setdefault(record[field], []).append(record)
    return groups


def _by_hour(events: list[dict], day: date) -> dict[str, list[dict]]:
    """Return the events by the hour of their receipt. Those re-sent from another day are in the first file."""
    hours: dict[str, list[dict]] = defaultdict(list)
    for event in events:
        received_at = event["received_at"]
        hours[received_at[11:13] if received_at[:10] == str(day) else "00"].append(event)
    return hours
