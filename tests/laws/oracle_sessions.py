"""Web sessions in plain Python, from the events of the oracle's SILVER."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from .oracle_feeds import EVENT_TYPES, Row
from .oracle_values import UNKNOWN

WITHOUT_ID, WITH_ID = timedelta(minutes=30), timedelta(hours=24)  # a gap of this length ends a session


def sessions(events: Iterable[Row]) -> list[Row]:
    streams: dict[tuple, list[Row]] = defaultdict(list)
    for event in events:
        visitor = event["anonymous_id"] or event["session_id"] or event["event_id"]
        streams[visitor, event["session_id"]].append(event)
    return [
        _session(visitor, session_id, visit)
        for (visitor, session_id), stream in streams.items()
        for visit in _visits(stream, WITHOUT_ID if session_id is None else WITH_ID)
    ]


def _visits(stream: list[Row], silence: timedelta) -> Iterator[list[Row]]:
    visit: list[Row] = []
    for event in sorted(stream, key=lambda event: (event["occurred_at"], event["event_id"])):
        if visit and event["occurred_at"] - visit[-1]["occurred_at"] >= silence:
            yield visit
            visit = []
        visit.append(event)
    yield visit


def _session(visitor: str, session_id: str | None, visit: list[Row]) -> Row:
    started_at, ended_at = visit[0]["occurred_at"], visit[-1]["occurred_at"]
    counts = Counter(event["event_type"] for event in visit)
    signed_in = [event["customer_id"] for event in visit if event["customer_id"] not in (None, UNKNOWN)]
    purchases = [event["order_id"] for event in visit if event["event_type"] == "purchase"]
    device = _first_present(event["device"] for event in visit) or {}
    utm = _first_present(event["utm"] for event in visit) or {}
    return {
        "anonymous_id": visitor, "session_id": session_id, "customer_id": signed_in[-1] if signed_in else None,
        "started_at": started_at, "ended_at": ended_at, "session_date": started_at.date(),
        "duration_seconds": (ended_at - started_at) // timedelta(seconds=1), "event_count": len(visit),
        **{f"{kind}_count": counts[kind] for kind in EVENT_TYPES},
        "order_count": len(set(purchases) - {None}), "is_converted": bool(purchases),
        "landing_page_url": _first_present(event["page_url"] for event in visit),
        **{f"device_{name}": device.get(name) for name in ("type", "os", "browser")},
        **{f"utm_{name}": utm.get(name) for name in ("source", "medium", "campaign")},
    }  # fmt: skip


def _first_present(found: Iterable[Any]) -> Any:
    """Return the first value, ignoring objects of nulls; None if there is none."""
    present = (one for one in found if (any(one.values()) if isinstance(one, dict) else one))
    return next(present, None)
