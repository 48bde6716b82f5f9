"""Lines of the event log: what they say about a record, and that they give it back as it came."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log_line import LogLine, UnreadableLine, line_for, line_of, to_text
from tests.factory import make_interaction

ARRIVAL = datetime(2026, 3, 2, 12, 0, 0, 123_000, tzinfo=UTC)
RETRACTION = {"event_id": "e-1", "user_id": "ann", "retracted_on": "2026-03-01"}
EXAM = {
    "event_id": "x-1",
    "user_id": "ann",
    "certification_type": "SAA",
    "occurred_at": "2026-03-01T09:00:00+02:00",
    "passed": True,
}


def line(payload: bytes) -> LogLine:
    return line_for(payload, ARRIVAL, "shardId-000000000000", "49", 3)


@pytest.mark.parametrize(
    ("fields", "kind", "event_id"),
    [(make_interaction(), "interaction", "e-1"), (EXAM, "exam", "x-1"), (RETRACTION, "retraction", "e-1")],
)
def test_a_line_says_whose_event_it_is_and_when(fields: dict[str, object], kind: str, event_id: str) -> None:
    made = line(json.dumps(fields).encode())
    assert (made.user_id, made.event_id, made.utc_day) == ("ann", event_id, "2026-03-01")
    assert (made.kind, made.code) == (kind, None)


@pytest.mark.parametrize(
    ("payload", "code", "readable"),
    [
        (b"{", "malformed", (None, None, None)),
        (b"\xff\xfe", "malformed", (None, None, None)),
        (b"[]", "malformed", (None, None, None)),
        (json.dumps(make_interaction(score=101)).encode(), "invalid", ("ann", "e-1", "2026-03-01")),
        (
            json.dumps(make_interaction(occurred_at="2026-03-09T00:00:00Z")).encode(),
            "too_early",
            ("ann", "e-1", "2026-03-09"),
        ),
        (
            json.dumps(make_interaction(user_id="a#b", event_id=7, occurred_at="now")).encode(),
            "invalid",
            (None, None, None),
        ),
    ],
)
def test_a_line_of_an_invalid_record_says_what_can_be_read(
    payload: bytes, code: str, readable: tuple[str | None, ...]
) -> None:
    made = line(payload)
    assert (made.user_id, made.event_id, made.utc_day) == readable
    assert (made.kind, made.code) == (None, code)


@given(st.binary() | st.text().map(str.encode))
def test_a_line_gives_the_record_back_as_it_came(payload: bytes) -> None:
    made = line(payload)
    text = to_text(made)
    assert "\n" not in text
    assert line_of(text.encode()) == made


def test_a_payload_that_is_text_can_be_read_in_the_line() -> None:
    fields = json.loads(to_text(line(b'{"a": "\xc3\xa9"}')))
    assert fields["payload"] == '{"a": "é"}'
    assert fields["arrived_at"] == "2026-03-02T12:00:00.123000Z"
    assert (fields["shard"], fields["sequence_number"], fields["part"]) == ("shardId-000000000000", "49", 3)


@pytest.mark.parametrize(
    ("payload", "user_id"),
    [
        (json.dumps(make_interaction()).encode(), "ann"),
        (json.dumps([make_interaction()]).encode(), None),
        (b'{"payload": "x"}', None),
    ],
)
def test_a_line_of_an_early_release_is_the_bare_payload(payload: bytes, user_id: str | None) -> None:
    assert line_of(payload + b"\n") == LogLine(payload, None, user_id=user_id)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"payload": 1}, "payload: must be text"),
        ({"payload_base64": "AA=="}, "payload: must be text, or payload_base64 instead"),
        ({"payload": ..., "payload_base64": "A"}, "payload_base64: "),
        ({"arrived_at": "yesterday"}, "arrived_at: must be a time"),
        ({"arrived_at": "2026-03-01T10:00:00"}, "arrived_at: must be a time"),
        ({"arrived_at": 7}, "arrived_at: must be text"),
        ({"part": -1}, "part: must be"),
        ({"part": True}, "part: must be"),
        ({"part": ...}, "part: must be"),
        ({"user_id": 7}, "user_id: must be text or null"),
        ({"kind": "lesson"}, "kind: must be null or one of interaction, exam, retraction"),
    ],
)
def test_a_line_with_a_fault_names_its_field(changed: dict[str, object], reason: str) -> None:
    whole = {**json.loads(to_text(line(b"{}"))), **changed}
    fields = {name: value for name, value in whole.items() if value is not ...}
    with pytest.raises(UnreadableLine, match=reason):
        line_of(json.dumps(fields).encode())


def test_a_line_has_the_days_and_the_time_that_queries_need() -> None:
    night = make_interaction(occurred_at="2026-03-01T23:30:00-10:00", timezone="Pacific/Honolulu")
    made = line(json.dumps(night).encode())
    assert (made.local_day, made.utc_day) == ("2026-03-01", "2026-03-02")
    assert made.occurred_at == "2026-03-02T09:30:00.000000Z"
    assert line(json.dumps(EXAM).encode())[-2:] == (None, "2026-03-01T07:00:00.000000Z")
    assert line(json.dumps(RETRACTION).encode())[-2:] == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'"text"',
        b"1",
        to_text(line(b"{}")).replace("2026-03-02T12", "noon").encode(),
        to_text(line(b"{}")).replace('"part":3', '"part":"x"').encode(),
    ],
)
def test_what_is_no_line_of_the_log_is_refused_with_the_reason(text: bytes) -> None:
    with pytest.raises(UnreadableLine, match="it is no"):
        line_of(text)
