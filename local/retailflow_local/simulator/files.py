"""Write a day's delivery of the feeds to RAW, as the source systems would."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from retailflow.contracts import entity as contract
from retailflow.manifests import Manifest, ulid
from retailflow.raw import Part, RawStore, complete, deliver, join_pages
from retailflow_local.simulator import encode
from retailflow_local.simulator.late import late_records
from retailflow_local.simulator.tills import trading_shops
from retailflow_local.simulator.trouble import Trouble, delivered
from retailflow_local.simulator.world import API_ENTITIES, ENTITIES, FILE_ENTITIES, World


def parts(world: World, entity: str, day: date, trouble: Trouble) -> list[Part]:
    """Return a day's data files. Orders and customers are the API's pages, as the ingestion would store them."""
    records = [record for _, record in delivered(world, entity, day, trouble)]
    tills = trading_shops(day) if entity == "store_sales" else []
    return _encode(entity, records, day, tills, new_column=trouble.new_columns)


def deliver_day(
    store: RawStore,
    world: World,
    day: date,
    trouble: Trouble | None = None,
    entities: Iterable[str] = FILE_ENTITIES,
    leave_open: Iterable[str] = (),
) -> list[Manifest]:
    """Write a day's batch of each feed and, except for `leave_open`, `_SUCCESS`. Repeating it changes nothing."""
    open_entities = frozenset(leave_open)
    manifests = []
    for entity in entities:
        at = _exported_at(entity, day)
        batch = parts(world, entity, day, trouble or Trouble.none())
        manifests.append(deliver(store, entity, day, ulid(at, entity, str(day), "day"), at, batch))
        if entity not in open_entities:
            complete(store, entity, day)
    return manifests


def deliver_late(store: RawStore, world: World, entity: str, day: date) -> Manifest:
    """Write a second batch to a day's folder, six hours after the first: missing rows, newer versions, re-sent rows."""
    at = _exported_at(entity, day) + timedelta(hours=6)
    batch = _encode(entity, late_records(world, entity, day), day, [], new_column=False)
    return deliver(store, entity, day, ulid(at, entity, str(day), "late"), at, batch)


def _exported_at(entity: str, day: date) -> datetime:
    """Return 00:30 UTC of the next day, plus some minutes that depend on the feed."""
    return datetime.combine(day, time(0, 30), UTC) + timedelta(days=1, minutes=3 * ENTITIES.index(entity) % 30)


def _encode(entity: str, records: list[dict], day: date, tills: list[str], *, new_column: bool) -> list[Part]:
    if entity == "store_sales":
        return [
            Part(f".{store_id}.csv", encode.csv(entity, lines, new_column=new_column), len(lines))
            for store_id, lines in sorted(_grouped(records, "store_id", tills).items())
        ]
    if entity == "clickstream":
        return [
            Part(f".h{hour}.ndjson.gz", encode.zipped(encode.ndjson(events)), len(events))
            for hour, events in sorted(_by_hour(records, day).items())
        ]
    if not records:
        return []
    return [_single(entity, records, new_column=new_column)]


def _single(entity: str, records: list[dict], *, new_column: bool) -> Part:
    count = len(records)
    form = contract(entity).format
    if entity in API_ENTITIES:
        starts = range(0, count, encode.PAGE_LIMIT)
        return Part(".json", join_pages([encode.page(entity, records, start) for start in starts]), count)
    if form.startswith("json"):
        return Part(".json", encode.json_bytes({entity: records}), count)
    if form == "csv":
        return Part(".csv", encode.csv(entity, records, new_column=new_column), count)
    if form == "ndjson_gzip":
        return Part(".ndjson.gz", encode.zipped(encode.ndjson(records)), count)
    if form == "parquet":
        return Part(".parquet", encode.parquet(entity, records, new_column=new_column), count)
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
