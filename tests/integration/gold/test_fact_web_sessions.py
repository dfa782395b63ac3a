from datetime import datetime, timedelta
from random import Random

import pytest


def event(event_id: str, time: str, event_type: str = "page_view", day: str = "2026-01-15", **more) -> dict:
    return {"event_id": event_id, "occurred_at": f"{day}T{time}Z", "event_type": event_type, **more}


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("fact_web_sessions")


@pytest.mark.parametrize(("second", "sessions"), [("10:29:59.999999", ["2"]), ("10:30:00", ["1", "1"])])
def test_thirty_minutes_of_silence_end_a_session(world, second, sessions):
    found = world(clickstream=[event("E1", "10:00:00"), event("E2", second)])
    assert [row[0] for row in found.rows("fact_web_sessions", "event_count")] == sessions


def test_silence_does_not_end_a_session_that_has_an_id(world):
    found = world(clickstream=[event("E1", "10:00:00", session_id="V1"), event("E2", "12:00:01.5", session_id="V1")])
    assert found.rows("fact_web_sessions", "session_id", "event_count", "duration_seconds") == [("V1", "2", "7201")]


def test_a_session_over_midnight_is_one_and_counts_on_its_first_day(world):
    found = world(clickstream=[event("E1", "23:50:00"), event("E2", "00:10:00", day="2026-01-16")])
    assert found.rows("fact_web_sessions", "session_date", "ended_at") == [("2026-01-15", "2026-01-16 00:10:00")]


def test_visitors_and_sessions_are_kept_apart(world):
    clickstream = [
        event("E1", "10:00:00", session_id="V1"),
        event("E2", "10:01:00", session_id="V2"),
        event("E3", "10:02:00"),
        event("E4", "10:02:00", anonymous_id="A2"),
        event("E5", "10:03:00", anonymous_id=None, session_id="V5"),
        event("E6", "10:04:00", anonymous_id=None),
        event("E7", "10:04:00", anonymous_id=None),
    ]
    assert world(clickstream=clickstream).rows("fact_web_sessions", "anonymous_id", "session_id") == [
        *[("A1", None), ("A1", "V1"), ("A1", "V2"), ("A2", None), ("E6", None), ("E7", None), ("V5", "V5")]
    ]


def test_ids_that_look_alike_when_joined_are_different_sessions(world):
    clickstream = [
        event("E1", "10:00:00", anonymous_id="A|B", session_id="C"),
        event("E2", "10:00:00", anonymous_id="A", session_id="B|C"),
        event("E3", "10:00:00", anonymous_id="A"),
        event("C", "10:00:00", anonymous_id="A|B"),
    ]
    assert len(set(world(clickstream=clickstream).rows("fact_web_sessions", "session_sk"))) == 4


def test_a_session_counts_its_events_and_distinct_orders(world):
    clickstream = [
        event("E1", "10:00:00"),
        event("E2", "10:01:00", "product_view"),
        event("E3", "10:02:00", "purchase", order_id="O1"),
        event("E4", "10:02:01", "purchase", order_id="O1"),
        event("E5", "10:03:00", "purchase"),
    ]
    columns = ("event_count", "page_view_count", "product_view_count", "purchase_count", "order_count", "is_converted")
    assert world(clickstream=clickstream).rows("fact_web_sessions", *columns) == [("5", "1", "1", "3", "1", "true")]


def test_ties_in_time_are_broken_by_event_id_and_nulls_are_passed_over(world):
    clickstream = [
        event("E3", "10:00:00", page_url="/c", utm={"source": "mail", "campaign": None}, customer_id="C2"),
        event("E2", "10:00:00", page_url="/b", utm={"source": None}, device={"type": "phone"}, customer_id="C1"),
        event("E1", "10:00:00"),
        event("E4", "10:01:00", page_url="/d", utm={"source": "ad"}),
    ]
    columns = ("landing_page_url", "device_type", "utm_source", "customer_id", "is_converted")
    expected = [("/b", "phone", "mail", "C2", "false")]
    assert world(clickstream=clickstream).rows("fact_web_sessions", *columns) == expected
    assert world(clickstream=clickstream[::-1]).rows("fact_web_sessions", *columns) == expected


def test_a_late_event_joins_two_sessions_of_its_visitor_and_leaves_the_others(world, recompute):
    early, late = event("E1", "10:00:00"), event("E3", "10:40:00")
    other = event("E4", "10:00:00", anonymous_id="A2")
    before = world(clickstream=[early, late, other])
    after = world(clickstream=[early, event("E2", "10:20:00"), late, other])
    assert before.rows("fact_web_sessions", "anonymous_id", "event_count") == [("A1", "1"), ("A1", "1"), ("A2", "1")]
    assert after.rows("fact_web_sessions", "anonymous_id", "event_count") == [("A1", "3"), ("A2", "1")]
    run = recompute("fact_web_sessions", before, after)
    assert run.keys == [("A1", None, "2026-01-15")]
    assert run.equals_a_rebuild()


def test_only_the_sessions_of_a_visitor_near_a_changed_event_are_recomputed(world, recompute):
    long_ago = [event("E1", "10:00:00", day="2025-01-01"), event("E2", "10:00:00", day="2025-01-01", session_id="V1")]
    before = world(clickstream=[*long_ago, event("E3", "23:50:00")])
    after = world(clickstream=[*long_ago, event("E3", "23:50:00"), event("E4", "00:10:00", day="2026-01-16")])
    run = recompute("fact_web_sessions", before, after)
    assert run.keys == [("A1", None, "2026-01-15"), ("A1", None, "2026-01-16")]
    assert run.equals_a_rebuild()


def test_a_session_with_an_id_is_found_however_long_ago_it_began(world, recompute):
    began = event("E1", "10:00:00", day="2025-01-01", session_id="V1")
    before = world(clickstream=[began])
    run = recompute("fact_web_sessions", before, world(clickstream=[began, event("E2", "10:00:00", session_id="V1")]))
    assert run.equals_a_rebuild()


def test_events_that_come_go_and_move_give_the_sessions_of_a_rebuild(world, recompute):
    """Each visitor is a case: events over four days, dense around midnight; some come, go or move."""
    dice = Random(8)
    before, after = [], []
    for visitor in range(200):
        for number in range(dice.randrange(1, 12)):
            id_ = dice.choice((None, None, "V1", "V2"))
            was, becomes = (_at(dice, f"{visitor}-{number}", f"A{visitor}", id_) for _ in range(2))
            fate = dice.random()
            before += [was] if fate < 0.8 else []
            after += [was] if fate < 0.6 else [becomes] if fate > 0.7 else []
    run = recompute("fact_web_sessions", world(clickstream=before), world(clickstream=after))
    assert run.equals_a_rebuild()


def _at(dice: Random, event_id: str, visitor: str, session_id: str | None) -> dict:
    """Return an event at a step of 10 minutes near a midnight, or at a full hour."""
    minutes = (
        dice.choice((0, 1440, 2880)) + 10 * dice.randrange(-6, 7) if dice.random() < 0.7 else 60 * dice.randrange(72)
    )
    moment = datetime(2026, 1, 15) + timedelta(minutes=minutes)
    named = {"anonymous_id": visitor, "session_id": session_id and f"{visitor}-{session_id}"}
    return event(event_id, f"{moment:%H:%M:%S}", day=f"{moment:%Y-%m-%d}", **named)
