import json
from datetime import date, timedelta

import pytest
from fastapi.testclient import TestClient

from retailflow.raw import join_pages
from retailflow_local.simulator.api import create_app, main
from retailflow_local.simulator.files import parts
from retailflow_local.simulator.trouble import Trouble
from retailflow_local.simulator.world import World

DAY = date(2026, 1, 15)
WORLD = World(scale=0.2)
TOKENS = {"orders": "orders-secret", "customers": "crm-secret"}
WINDOW = {"updated_from": "2026-01-15T00:00:00Z", "updated_until": "2026-01-16T00:00:00Z"}
PATHS = {"orders": "/orders/v1/orders", "customers": "/crm/v1/customers"}


def client(trouble: Trouble | None = None, **refusals: int) -> TestClient:
    return TestClient(create_app(WORLD, TOKENS, trouble or Trouble.none(), **refusals), raise_server_exceptions=False)


def get(api: TestClient, feed: str, token: str | None = None, **parameters: object):
    query = {**WINDOW, **parameters}
    return api.get(PATHS[feed], params=query, headers={"Authorization": f"Bearer {token or TOKENS[feed]}"})


def pages(api: TestClient, feed: str, **parameters: object) -> list[bytes]:
    found, cursor = [], None
    while not found or cursor:
        response = get(api, feed, **parameters, **({"cursor": cursor} if cursor else {}))
        assert response.status_code == 200, response.text
        found.append(response.content)
        cursor = response.json()["next_cursor"]
    return found


@pytest.mark.parametrize("feed", ["orders", "customers"])
def test_the_pages_join_to_the_records_of_the_day(feed):
    found = [record for page in pages(client(), feed, limit=100) for record in json.loads(page)[feed]]
    assert len(found) > 300
    assert found == WORLD.records(feed, DAY)


def test_pages_have_the_same_bytes_each_time_and_are_what_a_batch_holds():
    first, again = pages(client(Trouble.some()), "orders"), pages(client(Trouble.some()), "orders")
    assert len(first) == 3
    assert first == again
    [part] = parts(WORLD, "orders", DAY, Trouble.some())
    assert join_pages(first) == part.payload


def test_each_api_takes_its_own_token_only():
    api = client()
    assert get(api, "orders", token="crm-secret").status_code == 401
    assert get(api, "customers", token="orders-secret").status_code == 401
    assert api.get(PATHS["orders"], headers={"Authorization": "Bearer Ünsinn".encode()}).status_code == 401
    refused = api.get(PATHS["orders"], params=WINDOW)
    assert refused.status_code == 401
    assert "secret" not in refused.text
    assert api.get("/healthz").json() == {"status": "ok"}


def test_every_third_request_of_an_api_is_throttled_and_says_when_to_come_again():
    api = client(throttle_every=3)
    responses = [get(api, "orders") for _ in range(7)]
    assert [response.status_code for response in responses] == [200, 200, 429, 200, 200, 429, 200]
    assert responses[2].headers["Retry-After"] == "1"
    assert get(api, "customers").status_code == 200  # each API counts its own requests


def test_every_second_request_fails_when_it_is_asked_to():
    api = client(fail_every=2)
    assert [get(api, "orders").status_code for _ in range(4)] == [200, 500, 200, 500]


def records(api: TestClient, feed: str, start: str, end: str) -> list[dict]:
    found = pages(api, feed, updated_from=start, updated_until=end)
    return [record for page in found for record in json.loads(page)[feed]]


@pytest.mark.parametrize("feed", ["orders", "customers"])
def test_a_window_that_begins_earlier_first_has_what_the_day_before_had_of_those_hours(feed):
    api = client(Trouble.some())
    before = records(api, feed, "2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z")
    day = records(api, feed, "2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z")
    evening = [one for one in before if "2026-01-14T18:00" <= (one["updated_at"] or "") < "2026-01-15"]
    assert 10 < len(evening) < len(before) / 2
    assert records(api, feed, "2026-01-14T18:00:00Z", "2026-01-16T00:00:00Z") == evening + day
    assert records(api, feed, "2026-01-14T19:00:00+01:00", "2026-01-15T00:00:00Z") == evening
    assert records(api, feed, "2026-01-14T00:00:00Z", "2026-01-16T00:00:00Z") == before + day


def test_a_window_is_half_open_and_ends_within_a_day():
    api = client()
    day = WORLD.orders_of(DAY)
    moment = day[100]["updated_at"]
    first = records(api, "orders", "2026-01-15T00:00:00Z", moment)
    last = records(api, "orders", moment, "2026-01-16T00:00:00Z")
    assert first + last == day
    assert last[0]["updated_at"] == moment
    assert records(api, "orders", "2026-01-13T12:00:00Z", "2026-01-13T12:00:01Z") == [
        order
        for order in WORLD.orders_of(DAY - timedelta(days=2))
        if order["updated_at"].startswith("2026-01-13T12:00:00")
    ]


@pytest.mark.parametrize(
    "window",
    [
        {"updated_from": ""},
        {"updated_from": "2026-01-15"},
        {"updated_from": "2026-01-15T00:00:00"},
        {"updated_from": "2026-02-30T00:00:00Z"},
        {"updated_from": "yesterday"},
        {"updated_from": "0001-01-01T00:00:00+10:00"},
        {"updated_from": "2025-12-01T00:00:00Z"},
        {"updated_until": "2026-01-15T00:00:00Z"},
        {"updated_until": "2026-01-14T00:00:00Z"},
    ],
)
def test_a_malformed_window_is_refused_with_a_sentence(window):
    response = get(client(), "orders", **window)
    assert response.status_code == 400
    assert response.json()["detail"] == (
        "updated_from and updated_until must be moments as 2026-01-15T00:00:00Z, from the year 2000 to 2999, "
        "the second after the first by at most 31 days"
    )


def test_a_cursor_that_the_api_did_not_give_is_refused():
    api = client()
    cursor = get(api, "orders", limit=100).json()["next_cursor"]
    for bad in ("!", "NTAw", cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "ünsinn"):
        response = get(api, "orders", cursor=bad)
        assert response.status_code == 400
        assert response.json()["detail"].startswith("the cursor is not one this API gave for orders")
    assert get(api, "customers", cursor=cursor).status_code == 400


@pytest.mark.parametrize("limit", ["0", "501", "ten", "-1", "²"])
def test_a_limit_out_of_range_is_refused(limit):
    assert get(client(), "orders", limit=limit).status_code == 400


def test_the_server_does_not_start_without_its_tokens(monkeypatch, capsys):
    monkeypatch.delenv("RETAILFLOW_ORDERS_API_TOKEN", raising=False)
    monkeypatch.setenv("RETAILFLOW_CRM_API_TOKEN", "crm-secret")
    monkeypatch.setattr("sys.argv", ["api", "--port", "1"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "set RETAILFLOW_ORDERS_API_TOKEN in the environment" in capsys.readouterr().err
