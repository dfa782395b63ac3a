"""The Orders API and the CRM API of the simulated sources, on loopback.

    python -m retailflow_local.simulator.api --port 8081 --seed 7 --scale 0.1 --trouble some

Each API has a bearer token of its own, returns pages with a cursor, and refuses some requests on purpose. It returns
the records that changed from `updated_from` until before `updated_until`, both as 2026-01-15T00:00:00Z.
"""

import argparse
import hmac
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from threading import Lock

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

from retailflow_local.simulator import encode
from retailflow_local.simulator.trouble import Trouble, delivered
from retailflow_local.simulator.world import World

TOKEN_VARIABLES = {"orders": "RETAILFLOW_ORDERS_API_TOKEN", "customers": "RETAILFLOW_CRM_API_TOKEN"}
ROUTES = {"/orders/v1/orders": "orders", "/crm/v1/customers": "customers"}
LONGEST = timedelta(days=31)


def create_app(
    world: World, tokens: dict[str, str], trouble: Trouble, *, throttle_every: int = 0, fail_every: int = 0
) -> FastAPI:
    """Return the two APIs. `tokens` has one for `orders` and one for `customers`.

    Every `throttle_every`-th request of an API gets 429 with Retry-After, every `fail_every`-th gets 500; 0 is never.
    """
    app = FastAPI(title="RetailFlow simulated sources", docs_url=None, redoc_url=None, openapi_url=None)
    generating = Lock()

    @lru_cache(maxsize=8)
    def changed(feed: str, day: date) -> list[dict]:
        return [record for _, record in delivered(world, feed, day, trouble)]

    def records(feed: str, start: datetime, end: datetime) -> list[dict]:
        with generating:  # two requests for one day wait for one generation
            return [record for day in _days(start, end) for record in within(changed(feed, day), day, start, end)]

    for path, feed in ROUTES.items():
        app.get(path)(_endpoint(feed, tokens[feed], records, throttle_every, fail_every))

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def within(records: list[dict], day: date, start: datetime, end: datetime) -> list[dict]:
    """Return the records of a day that a window shows.

    If the whole day is in the window, these are all its records, late and bad ones included. Otherwise they are the
    records that changed in the window, as the day itself shows them.
    """
    midnight = datetime.combine(day, time(), UTC)
    if start <= midnight and midnight + timedelta(days=1) <= end:
        return records
    return [record for record in records if (at := _moment(record["updated_at"])) and start <= at < end]


def _endpoint(
    feed: str,
    token: str,
    records: Callable[[str, datetime, datetime], list[dict]],
    throttle_every: int,
    fail_every: int,
) -> Callable[..., Response]:
    requests = count(1)

    def changed_records(
        request: Request,
        updated_from: str = "",
        updated_until: str = "",
        cursor: str | None = None,
        limit: str = str(encode.PAGE_LIMIT),
    ) -> Response:
        _authorize(request, token, feed)
        number = next(requests)
        if throttle_every and number % throttle_every == 0:
            raise HTTPException(429, "Too many requests; wait as Retry-After says.", {"Retry-After": "1"})
        if fail_every and number % fail_every == 0:
            raise HTTPException(500, "The source system failed, as it was asked to; try again.")
        try:
            start, end = _window(updated_from, updated_until)
            offset = encode.offset_of(feed, cursor) if cursor else 0
            size = _limit(limit)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return Response(encode.page(feed, records(feed, start, end), offset, size), media_type="application/json")

    return changed_records


def _authorize(request: Request, token: str, feed: str) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        message = f"The {feed} API wants its own bearer token in the Authorization header."
        raise HTTPException(401, message, {"WWW-Authenticate": "Bearer"})


def _window(updated_from: str, updated_until: str) -> tuple[datetime, datetime]:
    start, end = _moment(updated_from), _moment(updated_until)
    if not (start and end and start < end <= start + LONGEST and 2000 <= start.year < end.year + 1 <= 3000):
        raise ValueError(
            "updated_from and updated_until must be moments as 2026-01-15T00:00:00Z, from the year 2000 to 2999, "
            f"the second after the first by at most {LONGEST.days} days"
        )
    return start, end


def _moment(text: str | None) -> datetime | None:
    """Return the moment, or None if the text is not a moment of RFC 3339 with its offset."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo and "T" in text else None
    except (ValueError, OverflowError):
        return None


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """Yield the days of a window, which ends before `end`."""
    day = start.date()
    while datetime.combine(day, time(), UTC) < end:
        yield day
        day += timedelta(days=1)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= encode.PAGE_LIMIT):
        raise ValueError(f"limit must be a whole number from 1 to {encode.PAGE_LIMIT}")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m retailflow_local.simulator.api", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--trouble", choices=("some", "none"), default="some")
    parser.add_argument("--throttle-every", type=int, default=5, metavar="N", help="429 for each Nth request; 0: never")
    parser.add_argument("--fail-every", type=int, default=0, metavar="N", help="500 for each Nth request; 0: never")
    options = parser.parse_args()
    missing = [name for name in TOKEN_VARIABLES.values() if not os.environ.get(name)]
    if missing:
        parser.error(f"set {' and '.join(missing)} in the environment: the tokens this server will accept")
    app = create_app(
        World(options.seed, options.scale),
        {feed: os.environ[name] for feed, name in TOKEN_VARIABLES.items()},
        Trouble.some() if options.trouble == "some" else Trouble.none(),
        throttle_every=options.throttle_every,
        fail_every=options.fail_every,
    )
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
