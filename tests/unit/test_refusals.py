"""Which records in quarantine can be found again by their learner and event_id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import utc_day
from domain.interaction import InvalidInteraction, time_in
from domain.refusals import Refusal, refusal_of

GOOD = {"user_id": "ann", "event_id": "e1", "occurred_at": "2026-03-01T01:00:00+02:00"}
UTC_DAY = utc_day(1_772_236_800_000_000)
"""2026-02-28, the UTC day of that instant."""

CASES: dict[str, tuple[dict[str, Any], int | None]] = {
    "everything else is wrong": ({"score": 101, "content_id": None}, UTC_DAY),
    "a time years ahead": ({"occurred_at": "2126-02-28T00:00:00Z"}, UTC_DAY + 36524),
    "no time": ({"occurred_at": None}, None),
    "a time that is a number": ({"occurred_at": 17}, None),
    "a day that does not exist": ({"occurred_at": "2026-02-30T00:00:00Z"}, None),
    "a time without an offset": ({"occurred_at": "2026-02-28T00:00:00"}, None),
    "a week date": ({"occurred_at": "2026-W09-6"}, None),
    "a time before 2000": ({"occurred_at": "1999-01-01T00:00:00Z"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_record_with_a_learner_and_an_id_can_be_found_by_its_day_if_it_has_one(case: str) -> None:
    changed, day = CASES[case]
    payload = json.dumps({**GOOD, **changed}).encode()
    assert refusal_of(payload, "invalid", "why") == Refusal("ann", "e1", day, "invalid", "why")


@pytest.mark.parametrize(
    "payload",
    [
        b"not JSON",
        b"[]",
        b'"ann"',
        b"\xff",
        *(json.dumps({**GOOD, "user_id": value}).encode() for value in ("me", "a#b", "", None, 7, ["ann"])),
        *(json.dumps({**GOOD, "event_id": value}).encode() for value in ("e 1", "", None, 7, "x" * 65)),
    ],
)
def test_a_record_without_a_learner_or_an_id_can_not(payload: bytes) -> None:
    assert refusal_of(payload, "malformed", "why") is None


@given(
    st.dictionaries(
        st.sampled_from(sorted(GOOD)), st.text() | st.none() | st.floats() | st.binary().map(repr)
    )
)
def test_no_record_is_too_odd_to_look_for_its_id(fields: dict[str, Any]) -> None:
    payload = json.dumps({**GOOD, **fields}).encode(errors="surrogatepass")
    found = refusal_of(payload, "invalid", "why")
    assert found is None or (found.user_id, found.event_id) == (
        {**GOOD, **fields}["user_id"],
        {**GOOD, **fields}["event_id"],
    )


@given(st.text(max_size=45))
def test_a_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        found = time_in(text)
    except InvalidInteraction as error:
        fields = [fault.field for fault in error.faults]
    else:
        fields = ["occurred_at"] if found.tzinfo else []
    assert fields == ["occurred_at"]
