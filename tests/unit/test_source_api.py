"""The ingestion and an API that is slow, broken or hostile: a real HTTP server, RAW in memory."""

import email.utils
import json
import time
import traceback
import tracemalloc
from datetime import UTC, date, datetime, timedelta

import pytest
from memory_store import MemoryStore
from scripted_api import Answer, ScriptedApi, page, scripted_api

from retailflow.environments import Source
from retailflow.raw import batches_path, complete, deliver, is_complete, join_pages, withdraw
from retailflow_spark.bronze import source_api
from retailflow_spark.bronze.ingest import as_parts, deliver_pages
from retailflow_spark.bronze.json_files import split
from retailflow_spark.bronze.source_api import Page, SourceError, TimeLimit, wait_asked_for

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 16, 2, tzinfo=UTC)
TOKEN = "a-token-that-no-message-may-show"
SECRET = "jane.doe@example.com"  # an answer may hold it, and no message may quote it
O1, O2 = {"order_id": "O1"}, {"order_id": "O2"}


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The waits between attempts, in seconds. They pass at once."""
    taken: list[float] = []
    monkeypatch.setattr(source_api, "sleep", taken.append)
    return taken


def fetch(store: MemoryStore, api: ScriptedApi, seconds_left: float = 1440, **settings: int) -> str:
    limit = TimeLimit(30, started=time.monotonic() - 1440 + seconds_left)
    return deliver_pages(store, "orders", DAY, api.source(**settings), TOKEN, limit)


def files(store: MemoryStore) -> list[bytes]:
    """Return the files of the one batch of the day, in order."""
    (manifest,) = store.manifests("orders", DAY)
    return [store.read(f"orders/ingestion_date=2026-01-15/{file.name}") for file in manifest.files]


def refusal(*answers: Answer | bytes, seconds_left: float = 1440) -> str:
    """Return the message of an ingestion that fails and leaves nothing in RAW."""
    store = MemoryStore()
    with scripted_api(*answers) as api, pytest.raises(SourceError) as refused:
        fetch(store, api, seconds_left)
    assert store.blobs == {}
    trace = "".join(traceback.format_exception(refused.value))
    assert TOKEN not in trace and SECRET not in trace
    return str(refused.value).removeprefix(f"{api.url}/orders, ")


def test_the_day_and_the_hours_before_it_are_asked_for_page_by_page():
    store = MemoryStore()
    with scripted_api(page(O1, cursor="more"), page(O2)) as api:
        assert fetch(store, api) == "orders 2026-01-15: 2 records in RAW"
    window = {"updated_from": "2026-01-14T18:00:00Z", "updated_until": "2026-01-16T00:00:00Z", "limit": "500"}
    assert api.asked == [window, window | {"cursor": "more"}]
    assert api.tokens == [f"Bearer {TOKEN}"] * 2
    assert files(store) == [join_pages([page(O1, cursor="more"), page(O2)])]


def test_a_day_without_records_is_a_batch_without_files_and_complete():
    store = MemoryStore()
    with scripted_api(page(cursor="more"), page()) as api:
        assert fetch(store, api) == "orders 2026-01-15: 0 records in RAW"
    assert files(store) == []
    assert is_complete(store, "orders", DAY)


def test_the_overlap_is_a_setting():
    with scripted_api(page()) as api:
        fetch(MemoryStore(), api, overlap_hours=0)
    assert api.asked[0]["updated_from"] == "2026-01-15T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "answered 200 OK, but the page is empty"),
        (b"<html>", "answered 200 OK, but the page is not a JSON object"),
        (b"[]", "answered 200 OK, but the page is not a JSON object"),
        (b'{"error": "%s"}' % SECRET.encode(), "answered 200 OK without an array 'orders': an error, or another API"),
        (b'{"orders": "%s"}' % SECRET.encode(), "answered 200 OK without an array 'orders': an error, or another API"),
        (page(O1).decode().encode("utf-16"), "answered 200 OK, but the page is not UTF-8 text; it seems to be UTF-16"),
        (page(O1)[:-1], "answered 200 OK, but the page is not valid JSON near byte 52"),
        (page(O1) + page(O2), "answered 200 OK, but the page is not valid JSON near byte 53"),
        (page(O1) + b"," + page(O2), "answered 200 OK, but the page is not valid JSON near byte 53"),
        (
            b'{"orders": [], "x": "\xfc", "next_cursor": null}',
            "answered 200 OK, but the page is not UTF-8 from byte 21 on; it seems to be Windows-1252 or another "
            "single-byte encoding",
        ),
        (b'{"orders": [], "orders": [], "next_cursor": null}', "the page has a name twice in the object around"),
        (b'{"orders": []}', "has no next_cursor"),
        (page(O1, cursor=""), "has an empty next_cursor; the last page has null"),
        (page(O1, cursor=7), "has a next_cursor that is neither text nor null"),
        (page(O1, cursor=[SECRET]), "has a next_cursor that is neither text nor null"),
        (b'{"orders": [NaN], "next_cursor": nul}', "has a next_cursor that is neither text nor null"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_page_is_a_sentence_without_its_text(body, why):
    message = refusal(body)
    assert message.startswith("page 1 of 2026-01-15: ") and why in message


def test_a_cursor_that_was_asked_for_before_ends_the_ingestion():
    found = refusal(page(cursor="a"), page(cursor="b"), page(cursor="a"))
    assert found == "page 3 of 2026-01-15: its next_cursor was asked for before; the source goes in a circle"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order marks"])
def test_bronze_finds_in_the_file_each_record_that_the_ingestion_counted_also_bad_ones(mark):
    bad = [b"NaN", b'{"order_id": "O1", "order_id": "O2"}', b"7", b"null", b'{"a": "\\ud800"}', b'{"a": tru}']
    pages = [mark + b'{"orders": [%s], "next_cursor": "%d"}' % (b",".join(bad[: n + 1]), n) for n in range(6)]
    pages.append(mark + page(O1, O2))
    store = MemoryStore()
    with scripted_api(*pages) as api:
        fetch(store, api)
    (manifest,) = store.manifests("orders", DAY)
    assert len(split(files(store)[0], "json_pages", "orders")) == manifest.records == 1 + 2 + 3 + 4 + 5 + 6 + 2


def test_trouble_that_passes_is_waited_out(waits):
    troubles = [Answer(status=status) for status in (429, 500, 502, 503, 504)]
    cut = [
        Answer(page(O1), cut=9),
        Answer(page(O1), cut=1, is_chunked=True),
        Answer(b"no gzip", headers={"Content-Encoding": "gzip"}),
    ]
    store = MemoryStore()
    with scripted_api(*troubles, *cut, page(O1)) as api:
        assert fetch(store, api) == "orders 2026-01-15: 1 records in RAW"
    assert files(store) == [join_pages([page(O1)])]
    assert (len(api.asked), len(waits)) == (9, 8)
    assert all(min(2 ** (n - 2), 30) <= wait <= 2 ** (n - 1) for n, wait in enumerate(waits)), waits


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(SECRET.encode(), 503), "answered 503 Service Unavailable"),
        (Answer(page(O1), cut=9), "does not answer, or not to the end: ChunkedEncodingError"),
        (Answer(page(O1), cut=1, is_chunked=True), "does not answer, or not to the end: ChunkedEncodingError"),
    ],
)
def test_trouble_that_stays_is_a_sentence_after_some_attempts(waits, answer, why):
    assert refusal(answer) == f"page 1 of 2026-01-15: {why}, after 9 attempts"
    assert len(waits) == 8


def test_no_trace_shows_a_cursor(waits):
    assert "ChunkedEncodingError" in refusal(page(O1, cursor=SECRET), Answer(page(), cut=9))


def test_a_source_that_is_down_is_a_sentence(waits):
    nowhere = Source(base_url="http://127.0.0.1:9", token_secret="unused")
    with pytest.raises(
        SourceError, match="1 of 2026-01-15: does not answer, or not to the end: ConnectionError, after 9 attempts"
    ):
        deliver_pages(MemoryStore(), "orders", DAY, nowhere, TOKEN, TimeLimit(30))


@pytest.mark.parametrize("status", [204, 400, 401, 404, 499, 501])
def test_an_answer_that_will_not_change_fails_at_once_without_its_text(waits, status):
    body = b"" if status == 204 else json.dumps({"detail": SECRET, "error": TOKEN}).encode()
    found = refusal(Answer(body, status))
    assert found.startswith(f"page 1 of 2026-01-15: answered {status}")
    assert waits == []


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else():
    with scripted_api(page(O1)) as elsewhere:
        found = refusal(Answer(status=302, headers={"Location": f"{elsewhere.url}/{SECRET}"}))
    assert found == "page 1 of 2026-01-15: answered 302 Found, a redirect, which is not followed: correct base_url"
    assert elsewhere.asked == []


def test_no_netrc_takes_the_place_of_the_token(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with scripted_api(page()) as api:
        fetch(MemoryStore(), api)
    assert api.tokens == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(("token", "sent"), [(f" {TOKEN}\n", f"Bearer {TOKEN}"), ("two\nlines", None), ("", None)])
def test_a_token_is_sent_without_white_space_around_it_or_not_at_all(token, sent):
    with scripted_api(page()) as api:
        try:
            deliver_pages(MemoryStore(), "orders", DAY, api.source(), token, TimeLimit(30))
        except SourceError as error:
            assert str(error).endswith("is empty or has characters that no header may have; store it again")
            assert "two" not in str(error)
    assert api.tokens == ([sent] if sent else [])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0.25", 0.25),
        ("Fri, 16 Jan 2026 03:00:00 GMT", 3600),
        ("Friday, 16-Jan-26 03:00:00 GMT", 3600),
        ("Fri Jan 16 03:00:00 2026", 3600),
        ("9" * 400, 36525 * 86400),
        ("0", None),
        ("Fri, 16 Jan 2026 01:00:00 GMT", None),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("Fri, 99 Jan 2026 01:00:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text, seconds):
    assert wait_asked_for(text, NOW) == seconds


def test_the_client_waits_as_long_as_retry_after_says_however_often(waits):
    with scripted_api(*[Answer(status=429, headers={"Retry-After": "7.5"})] * 12, page(O1)) as api:
        assert fetch(MemoryStore(), api) == "orders 2026-01-15: 1 records in RAW"
    assert waits == [7.5] * 12


def test_a_source_that_asks_for_no_time_at_all_is_not_asked_without_a_pause(waits):
    with scripted_api(Answer(status=503, headers={"Retry-After": "0.001"}), page(O1)) as api:
        fetch(MemoryStore(), api)
    assert waits == [1]


def test_a_wait_that_the_run_has_no_time_for_fails_at_once_and_says_until_when(waits):
    asked = datetime.now(UTC) + timedelta(days=1)
    said = email.utils.format_datetime(asked, usegmt=True)
    found = refusal(Answer(status=429, headers={"Retry-After": said}))
    assert found == (
        f"page 1 of 2026-01-15: answered 429 Too Many Requests and asks to wait until {asked:%Y-%m-%d %H:%M} UTC, "
        "longer than this run may last (30 minutes)"
    )
    assert "answered 503" in refusal(Answer(status=503, headers={"Retry-After": "1441"}))
    assert waits == []


def test_the_time_of_a_run_ends_a_source_without_end():
    found = refusal(*[page(cursor=str(number)) for number in range(5000)], seconds_left=0.3)
    assert found.endswith("longer than this run may last (30 minutes)")


def test_the_time_of_a_run_ends_an_answer_that_goes_on_and_on():
    found = refusal(Answer(page(), is_chunked=True, pause=1), seconds_left=0.5)
    assert (
        found == "page 1 of 2026-01-15: the source has not come to an end, longer than this run may last (30 minutes)"
    )


def test_a_page_larger_than_a_file_of_bronze_is_refused(monkeypatch):
    monkeypatch.setattr(source_api, "_MOST_BYTES", 52)
    assert refusal(page(O1)).endswith("holds more than 128 MiB; ask for smaller pages")


def test_pages_are_stored_in_parts_of_the_size_that_is_set():
    orders = [{"order_id": "x" * 450_000, "n": number} for number in range(5)]
    pages = [page(order, cursor=str(number)) for number, order in enumerate(orders)] + [page()]
    store = MemoryStore()
    with scripted_api(*pages) as api:
        fetch(store, api, part_megabytes=1)
    assert files(store) == [join_pages(pages[:2]), join_pages(pages[2:4]), join_pages(pages[4:])]
    (manifest,) = store.manifests("orders", DAY)
    assert [file.name.split(".")[1] for file in manifest.files] == ["0001", "0002", "0003"]
    assert [file.records for file in manifest.files] == [2, 2, 1]


def test_a_part_is_as_large_as_it_may_be_and_a_larger_page_is_one_by_itself():
    pages = [Page(b"x" * size, 1) for size in (48, 49, 49, 200, 1)]
    assert [len(part.payload) for part in as_parts(pages, 100)] == [100, 51, 202, 3]
    assert [len(part.payload) for part in as_parts(pages, 99)] == [50, 51, 51, 202, 3]


def test_only_some_parts_of_a_day_are_in_memory_at_once():
    def received():
        for number in range(50):
            yield Page(b"%07d" % number + bytes(100_000), 1)

    tracemalloc.start()
    count = sum(1 for _ in as_parts(received(), 500_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 13
    assert peak < 2_000_000


def test_a_page_that_goes_wrong_later_leaves_no_batch_and_the_next_try_is_whole():
    first = page({"order_id": "x" * 600_000}, cursor="1")
    second = page({"order_id": "y" * 600_000}, cursor="2")
    store = MemoryStore()
    with scripted_api(first, second, b"broken") as api, pytest.raises(SourceError):
        fetch(store, api, part_megabytes=1)
    (left,) = store.blobs
    assert store.manifests("orders", DAY) == [] and not is_complete(store, "orders", DAY)
    with scripted_api(first, second, page()) as api:
        fetch(store, api, part_megabytes=1)
    assert files(store) == [join_pages([first]), join_pages([second, page()])]
    assert left.rpartition("/")[2] == store.manifests("orders", DAY)[0].files[0].name


def test_a_correction_by_hand_in_the_folder_does_not_take_the_place_of_the_day():
    store = MemoryStore()
    deliver(store, "orders", DAY, "0" * 26, NOW, [])
    with scripted_api(page(O1)) as api:
        assert fetch(store, api) == "orders 2026-01-15: 1 records in RAW"
        assert is_complete(store, "orders", DAY)
        assert fetch(store, api) == "orders 2026-01-15: already complete in RAW, nothing asked of the source"
        assert len(api.asked) == 1
        withdraw(store, "orders", DAY, "0" * 26)
        fetch(store, api)
    assert len(api.asked) == 1


def test_a_success_without_the_day_s_batch_is_not_taken_for_a_day():
    store = MemoryStore()
    complete(store, "orders", DAY)
    with scripted_api(page(O1)) as api:
        fetch(store, api)
    assert files(store) == [join_pages([page(O1)])]


def test_a_withdrawn_batch_is_fetched_again_as_often_as_it_is_withdrawn():
    store, found = MemoryStore(), []
    for number in range(3):
        with scripted_api(page({"order_id": f"O{number}"})) as api:
            assert fetch(store, api) == "orders 2026-01-15: 1 records in RAW"
            assert fetch(store, api).endswith("nothing asked of the source")
        (own,) = {manifest.batch_id for manifest in store.manifests("orders", DAY) if manifest.files} - set(found)
        withdraw(store, "orders", DAY, own)
        found.append(own)
    assert len(store.names(batches_path("orders", DAY))) == 6


def test_a_try_that_died_before_success_is_completed_without_asking():
    store = MemoryStore()
    with scripted_api(page(O1)) as api:
        fetch(store, api)
        store.blobs.pop("orders/ingestion_date=2026-01-15/_SUCCESS")
        assert fetch(store, api) == "orders 2026-01-15: 1 records in RAW"
        assert len(api.asked) == 1
    assert is_complete(store, "orders", DAY)
