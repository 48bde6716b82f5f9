"""The contract of an interaction: the values that each field accepts, and its local day."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import day_date, day_number, today_in, zone_names, zone_of
from domain.events import parse_record
from domain.interaction import (
    KINDS,
    MAX_ADDITIONAL_BYTES,
    Interaction,
    InteractionV1,
    InvalidInteraction,
    is_user_id,
    parse,
)
from tests.factory import make_interaction

ARRIVAL = datetime(2026, 3, 2, 12, tzinfo=UTC)


def faulty_fields(**changed: Any) -> list[str]:
    """Return the fields that the contract refuses in this interaction, which must be invalid."""
    with pytest.raises(InvalidInteraction) as caught:
        parse(make_interaction(**changed), ARRIVAL)
    assert caught.value.code == "invalid"
    assert all(fault.message for fault in caught.value.faults)
    return [fault.field for fault in caught.value.faults]


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an event_id of 64 characters": ({"event_id": "a_-Z9" + "x" * 59}, {"event_id": "a_-Z9" + "x" * 59}),
    "a user_id of every allowed kind of character": ({"user_id": "a.B:c@d-e_1"}, {"user_id": "a.B:c@d-e_1"}),
    "a content_id of 128 characters": ({"content_id": "c" * 128}, {"content_id": "c" * 128}),
    "a type in any case": ({"interaction_type": "VIEWED"}, {"kind": "viewed"}),
    "view instead of viewed": ({"interaction_type": "view"}, {"kind": "viewed"}),
    "answer instead of answered": ({"interaction_type": "Answer"}, {"kind": "answered"}),
    "complete instead of completed": ({"interaction_type": "complete"}, {"kind": "completed"}),
    "finish instead of completed": ({"interaction_type": "finish"}, {"kind": "completed"}),
    "finished instead of completed": ({"interaction_type": "finished"}, {"kind": "completed"}),
    "a score with two decimals": ({"score": 87.65}, {"score": 8765}),
    "a whole score": ({"score": 100}, {"score": 10_000}),
    "a score of 0": ({"score": 0}, {"score": 0}),
    "no score": ({"score": None}, {"score": None}),
    "whole seconds written as a float": ({"time_spent": 12.0}, {"seconds": 12}),
    "a time_spent of a whole day": ({"time_spent": 86_400}, {"seconds": 86_400}),
    "a time_spent of null": ({"time_spent": None}, {"seconds": 0}),
    "a time five minutes ahead": ({"occurred_at": "2026-03-02T12:05:00Z"}, {"zone": "+00:00"}),
    "the first instant that is accepted": ({"occurred_at": "2000-01-02T00:00:00+00:00"}, {"day": 1}),
    "the first instant, in the zone furthest behind": (
        {"occurred_at": "2000-01-01T12:00:00-12:00"},
        {"day": 0},
    ),
    "a leap second": ({"occurred_at": "2016-12-31T23:59:60Z"}, {"at": 1_483_228_799_999_999}),
    "a leap second with a fraction, in Tokyo": (
        {"occurred_at": "2017-01-01T08:59:60.25+09:00"},
        {"at": 1_483_228_799_999_999, "zone": "+09:00"},
    ),
    "an offset of -12:00": ({"occurred_at": "2026-03-01T00:00:00-12:00"}, {"zone": "-12:00"}),
    "an offset of +14:00": ({"occurred_at": "2026-03-01T00:00:00+14:00"}, {"zone": "+14:00"}),
    "a time with lower-case t and z": ({"occurred_at": "2026-03-01t22:30:00z"}, {"zone": "+00:00"}),
    "a time with microseconds": ({"occurred_at": "2000-01-02T00:00:00.000001Z"}, {"at": 946_771_200_000_001}),
    "a time zone": ({"timezone": "Asia/Kolkata"}, {"zone": "Asia/Kolkata", "zone_named": True}),
    "a field that the contract does not have": ({"colour": "red"}, {"event_id": "e-1"}),
    "five levels of additional_data": ({"additional_data": {"1": {"2": {"3": {"4": {"5": 1}}}}}}, {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_contract_accepts(name: str) -> None:
    given_fields, expected = GOOD[name]
    found = parse(make_interaction(**given_fields), ARRIVAL)
    assert {name: getattr(found, name) for name in expected} == expected


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no event_id": ({"event_id": ...}, "event_id"),
    "an empty event_id": ({"event_id": ""}, "event_id"),
    "a dot in an event_id": ({"event_id": "a.b"}, "event_id"),
    "an event_id of 65 characters": ({"event_id": "x" * 65}, "event_id"),
    "an event_id that ends with a newline": ({"event_id": "abc\n"}, "event_id"),
    "no user_id": ({"user_id": ...}, "user_id"),
    "a user_id of me": ({"user_id": "me"}, "user_id"),
    "a user_id that begins with a dot": ({"user_id": ".ann"}, "user_id"),
    "a user_id that is a number": ({"user_id": 17}, "user_id"),
    "# in a user_id": ({"user_id": "a#b"}, "user_id"),
    "a content_id of 129 characters": ({"content_id": "c" * 129}, "content_id"),
    "a space in a content_id": ({"content_id": "a b"}, "content_id"),
    "no type": ({"interaction_type": ...}, "interaction_type"),
    "an unknown type": ({"interaction_type": "skimmed"}, "interaction_type"),
    "a type of null": ({"interaction_type": None}, "interaction_type"),
    "a time without an offset": ({"occurred_at": "2026-03-01T22:30:00"}, "occurred_at"),
    "a date without a time": ({"occurred_at": "2026-03-01"}, "occurred_at"),
    "a time in seconds since 1970": ({"occurred_at": 1_772_366_400}, "occurred_at"),
    "the 30th of February": ({"occurred_at": "2026-02-30T10:00:00Z"}, "occurred_at"),
    "hour 24": ({"occurred_at": "2026-03-01T24:00:00Z"}, "occurred_at"),
    "the year 1999": ({"occurred_at": "1999-12-31T23:59:59Z"}, "occurred_at"),
    "the last instant that is too early": ({"occurred_at": "2000-01-01T23:59:59.999999Z"}, "occurred_at"),
    "a local day that is late enough at an instant that is not": (
        {"occurred_at": "2000-01-02T00:30:00+14:00"},
        "occurred_at",
    ),
    "a leap second in the middle of a day": ({"occurred_at": "2016-12-31T12:00:60Z"}, "occurred_at"),
    "a leap second at midnight in Tokyo": ({"occurred_at": "2016-12-31T23:59:60+09:00"}, "occurred_at"),
    "a leap second before the year 1 in UTC": (
        {"occurred_at": "0001-01-01T00:00:60+14:00"},
        "occurred_at",
    ),
    "a leap second after the year 9999 in UTC": ({"occurred_at": "9999-12-31T23:59:60-12:00"}, "occurred_at"),
    "second 61": ({"occurred_at": "2016-12-31T23:59:61Z"}, "occurred_at"),
    "an offset of +14:01": ({"occurred_at": "2026-03-01T00:00:00+14:01"}, "occurred_at"),
    "an offset of -12:01": ({"occurred_at": "2026-03-01T00:00:00-12:01"}, "occurred_at"),
    "a file path as a time zone": ({"timezone": "../../etc/passwd"}, "timezone"),
    "a score of 100.01": ({"score": 100.01}, "score"),
    "a negative score": ({"score": -0.01}, "score"),
    "a score that is a string": ({"score": "80"}, "score"),
    "a score of true": ({"score": True}, "score"),
    "an infinite score": ({"score": float("inf")}, "score"),
    "a score of NaN": ({"score": float("nan")}, "score"),
    "a time_spent of a day and a second": ({"time_spent": 86_401}, "time_spent"),
    "a negative time_spent": ({"time_spent": -1}, "time_spent"),
    "a time_spent of half a second": ({"time_spent": 0.5}, "time_spent"),
    "# in a certification_type": ({"certification_type": "S#A"}, "certification_type"),
    "a session_id of 129 characters": ({"session_id": "s" * 129}, "session_id"),
    "additional_data that is a list": ({"additional_data": []}, "additional_data"),
    "six levels of additional_data": (
        {"additional_data": {"1": {"2": {"3": {"4": {"5": [1]}}}}}},
        "additional_data",
    ),
    "too much additional_data": ({"additional_data": {"x": "y" * MAX_ADDITIONAL_BYTES}}, "additional_data"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_contract_refuses_and_names_the_field_of(name: str) -> None:
    changed, field = BAD[name]
    assert faulty_fields(**changed) == [field]


def test_all_faults_are_reported_at_once() -> None:
    found = faulty_fields(event_id="a b", score=101, timezone="Nowhere")
    assert sorted(found) == ["event_id", "score", "timezone"]


def test_additional_data_is_measured_in_bytes() -> None:
    room = MAX_ADDITIONAL_BYTES - len('{"x":""}')
    parse(make_interaction(additional_data={"x": "y" * room}), ARRIVAL)
    assert faulty_fields(additional_data={"x": "y" * (room + 1)}) == ["additional_data"]
    assert faulty_fields(additional_data={"x": "é" * room}) == ["additional_data"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"7",
        b'{"score": NaN}',
        b'{"a": "\\ud800"}',
        b"\xff",
        b"[" * 9_999,
    ],
)
def test_data_that_is_not_a_json_object_is_malformed(data: bytes) -> None:
    with pytest.raises(InvalidInteraction) as caught:
        parse_record(data, ARRIVAL)
    assert caught.value.code == "malformed"


def test_the_local_day_follows_the_zone_or_else_the_offset() -> None:
    def day(occurred_at: str, zone: Any = ...) -> date:
        return day_date(parse(make_interaction(occurred_at=occurred_at, timezone=zone), ARRIVAL).day)

    assert day("2026-03-01T22:30:00Z") == date(2026, 3, 1)
    assert day("2026-03-01T22:30:00Z", "Europe/Helsinki") == date(2026, 3, 2)
    assert day("2026-03-02T00:30:00+02:00") == date(2026, 3, 2)
    assert day("2026-03-02T00:30:00+02:00", "America/New_York") == date(2026, 3, 1)


def test_zones_come_from_the_pinned_package() -> None:
    assert {"Europe/Helsinki", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC"} < zone_names()
    with pytest.raises(KeyError):
        zone_of("Mars/Olympus_Mons")


def test_today_follows_the_zone_or_the_offset() -> None:
    now = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert today_in(None, now) == date(2026, 3, 1)
    assert today_in("Europe/Helsinki", now) == date(2026, 3, 2)
    assert today_in("+00:45", now) == date(2026, 3, 2)
    assert today_in("-12:00", now) == date(2026, 3, 1)


def test_me_and_ids_with_other_characters_are_not_user_ids() -> None:
    assert is_user_id("ann")
    edx = "block-v1:edX+DemoX+1T+type@video"
    assert all(map(is_user_id, ("ann+math@example.com", "auth0|abc", "_ann", edx)))
    assert not any(map(is_user_id, ("me", "", "a#b", "a b", "-a", "+a", "|a", "é", "x" * 129, "ann\n")))


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_days_are_numbered_from_2000(day: date) -> None:
    assert day_date(day_number(day)) == day
    assert day_number(day) == (day - date(2000, 1, 1)).days


valid = st.fixed_dictionaries(
    {
        "event_id": st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        "user_id": st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._:@+|-]{2,127}", fullmatch=True),
        "content_id": st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._:@+|-]{0,127}", fullmatch=True),
        "interaction_type": st.sampled_from(KINDS),
        "occurred_at": st.datetimes(datetime(2000, 1, 3), datetime(2026, 3, 1)).map(  # noqa: DTZ001 (the next line adds the zone)
            lambda at: at.replace(tzinfo=UTC).isoformat()
        ),
        "timezone": st.none() | st.sampled_from(sorted(zone_names())),
        "score": st.none() | st.integers(0, 10_000).map(lambda hundredths: hundredths / 100),
        "time_spent": st.integers(0, 86_400),
        "session_id": st.none() | st.text(max_size=128).filter(lambda text: text.isprintable()),
    }
)


@given(valid)
def test_valid_fields_survive_json(given_fields: dict[str, Any]) -> None:
    found = parse_record(json.dumps(given_fields).encode(), ARRIVAL)
    assert isinstance(found, Interaction)
    assert found == parse(given_fields, ARRIVAL)
    score = given_fields["score"]
    assert found.score == (None if score is None else round(score * 100))
    occurred = datetime.fromisoformat(given_fields["occurred_at"])
    assert timedelta(microseconds=found.at) == occurred - datetime(1970, 1, 1, tzinfo=UTC)
    assert abs(day_date(found.day) - occurred.date()) <= timedelta(days=1)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_arbitrary_bytes_raise_only_invalid_interaction(data: bytes) -> None:
    with pytest.raises(InvalidInteraction):
        parse_record(data, ARRIVAL)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(InteractionV1.model_fields)), json_values)
def test_an_arbitrary_value_of_a_field_raises_only_invalid_interaction(name: str, value: Any) -> None:
    try:
        parse(make_interaction(**{name: value}), ARRIVAL)
    except InvalidInteraction as error:
        assert {fault.field for fault in error.faults} == {name}  # noqa: PT017 (some values are valid)
