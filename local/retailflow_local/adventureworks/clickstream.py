"""The public web events of `clickstream_ecom`. They are another shop's, from spring 2024, so no other feed matches."""

import csv
import gzip
import json
from datetime import date
from pathlib import Path

from retailflow.raw import Part

# Pages of the source that have another name in the feed. Other events that the feed does not know (wishlist_add,
# compare, support_chat, checkout_bug) are passed on unchanged and end in quarantine.
_PAGES = {
    "page_view": "home catalog promo_page filter_results cart account_page review_page error_page",
    "checkout": "shipping_details payment_details",
}
_EVENT_TYPES = {page: event_type for event_type, pages in _PAGES.items() for page in pages.split()}


def clickstream(path: Path, day: date) -> list[Part]:
    """Return the day's events, one gzip file of NDJSON per hour. Empty if there is no file or it lacks the day.

    The source has no event id, so the row number is the id. Its times have no zone and are read as UTC.
    """
    if not path.is_file():
        return []
    hours: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=1):
            if row["timestamp"].startswith(day.isoformat()):
                hours.setdefault(row["timestamp"][11:13], []).append(json.dumps(_event(number, row)))
    return [
        Part(f".h{hour}.ndjson.gz", gzip.compress("".join(f"{e}\n" for e in events).encode(), mtime=0), len(events))
        for hour, events in sorted(hours.items())
    ]


def _event(number: int, row: dict[str, str]) -> dict[str, object]:
    moment = row["timestamp"].replace(" ", "T") + "Z"
    return {
        "event_id": f"clickstream_ecom-{number}",
        "occurred_at": moment,
        "received_at": moment,
        "anonymous_id": row["user_id"],
        "session_id": row["session_id"],
        "customer_id": None,
        "event_type": _EVENT_TYPES.get(row["event"], row["event"]),
        "page_url": f"/{row['event']}",
        "product_id": None,
        "order_id": None,
        "device": {"type": row["platform"], "os": None, "browser": None},
        "utm": {"source": None, "medium": row["acquisition_channel"], "campaign": None},
    }
