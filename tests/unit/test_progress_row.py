"""A row of the replaced tracker's progress table becomes an interaction, or says what is wrong with it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interaction import InvalidInteraction, parse
from domain.progress_row import OLD_KINDS, interaction_of

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROW = {
    "user_id": "ann",
    "content_id_certification": "saa-1#SAA",
    "content_id": "saa-1",
    "certification_type": "SAA",
    "progress_type": "answered",
    "score": 87.5,
    "time_spent": 120,
    "timestamp": "2026-03-01T21:30:00.123456",
    "session_id": "s-1",
    "interaction_type": "quiz",
    "additional_data": {"attempt": 2},
}


def made(**changes: Any) -> dict[str, Any]:
    """Return the interaction of a row with these attributes changed; ... leaves one out."""
    row = {name: value for name, value in {**ROW, **changes}.items() if value is not ...}
    return interaction_of(row, NOW)


def test_a_whole_row_is_an_interaction() -> None:
    fields = made()
    # A literal: if ids were derived in another way, everything that was migrated would count again.
    assert fields.pop("event_id") == "row-896b907159b1c6b72ef7430855f1a1ef"
    assert fields == {
        "user_id": "ann",
        "content_id": "saa-1",
        "certification_type": "SAA",
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T21:30:00.123456+00:00",
        "score": 87.5,
        "time_spent": 120,
        "session_id": "s-1",
        "additional_data": {"attempt": 2},
    }


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a score of null": ({"score": None}, {"score": None}),
    "no score": ({"score": ...}, {"score": None}),
    "no time spent": ({"time_spent": None}, {"time_spent": 0}),
    "parts of a second": ({"time_spent": 12.9}, {"time_spent": 12}),
    "a time with Z": ({"timestamp": "2026-03-01T21:30:00Z"}, {"occurred_at": "2026-03-01T21:30:00+00:00"}),
    "a time with an offset": (
        {"timestamp": "2026-03-01T21:30:00+02:00"},
        {"occurred_at": "2026-03-01T21:30:00+02:00"},
    ),
    "a time without seconds": (
        {"timestamp": "2026-03-01 21:30"},
        {"occurred_at": "2026-03-01T21:30:00+00:00"},
    ),
    "the key alone": (
        {"content_id": ..., "certification_type": ...},
        {"content_id": "saa-1", "certification_type": "SAA"},
    ),
    "another spelling of the kind": ({"progress_type": "Completed"}, {"interaction_type": "completed"}),
    "an interaction_type that contradicts": (
        {"interaction_type": "bookmark"},
        {"interaction_type": "answered"},
    ),
    **{
        f"an interaction_type {old} alone": (
            {"progress_type": None, "interaction_type": old},
            {"interaction_type": kind},
        )
        for old, kind in OLD_KINDS.items()
    },
    "a session_id that is too long": ({"session_id": "x" * 129}, {"session_id": None}),
    "additional data that is a text": ({"additional_data": "x"}, {"additional_data": None}),
    "additional data that is too large": ({"additional_data": {"x": "y" * 9_000}}, {"additional_data": None}),
    "attributes of later versions": ({"colour": "red"}, {}),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_row_is_read_as_the_tracker_meant_it(case: str) -> None:
    changes, expected = GOOD[case]
    fields = made(**changes)
    assert {name: fields.get(name) for name in expected} == expected
    parse(fields, NOW)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no learner": ({"user_id": None}, "user_id"),
    "a learner with a #": ({"user_id": "a#b"}, "user_id"),
    "a key without a certification": ({"content_id_certification": "saa-1"}, "content_id_certification"),
    "no key": ({"content_id_certification": ...}, "content_id_certification"),
    "a content that contradicts the key": ({"content_id": "saa-2"}, "content_id"),
    "a certification that contradicts the key": ({"certification_type": "DVA"}, "certification_type"),
    "a content with a blank": (
        {"content_id": "a b", "content_id_certification": "a b#SAA"},
        "content_id",
    ),
    "an unknown kind": ({"progress_type": "dreamt"}, "progress_type"),
    "no kind at all": ({"progress_type": None, "interaction_type": "other"}, "interaction_type"),
    "a score above 100": ({"score": 101}, "score"),
    "a score that is a text": ({"score": "80"}, "score"),
    "negative time": ({"time_spent": -1}, "time_spent"),
    "half a second of negative time": ({"time_spent": -0.5}, "time_spent"),
    "more than a day": ({"time_spent": 86_401}, "time_spent"),
    "time that is a text": ({"time_spent": "a while"}, "time_spent"),
    "infinite time": ({"time_spent": float("inf")}, "time_spent"),
    "no time": ({"timestamp": None}, "timestamp"),
    "a day without a time": ({"timestamp": "2026-03-01"}, "timestamp"),
    "no such day": ({"timestamp": "2026-02-30T00:00:00"}, "timestamp"),
    "a time before 2000": ({"timestamp": "1970-01-01T00:00:00"}, "timestamp"),
    "a time ahead": ({"timestamp": "2026-03-02T12:05:01"}, "timestamp"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_names_the_attribute_that_is_wrong(case: str) -> None:
    changes, attribute = BAD[case]
    with pytest.raises(InvalidInteraction) as raised:
        made(**changes)
    assert [fault.field for fault in raised.value.faults] == [attribute]


def test_all_faults_of_a_row_are_told_at_once() -> None:
    with pytest.raises(InvalidInteraction) as raised:
        made(progress_type="dreamt", timestamp="yesterday", time_spent="long")
    assert [fault.field for fault in raised.value.faults] == ["progress_type", "timestamp", "time_spent"]


def test_a_row_keeps_its_id_and_an_overwritten_one_gets_another() -> None:
    first = made()["event_id"]
    for same in (
        {"score": 90},
        {"session_id": "s-2"},
        {"timestamp": "2026-03-01T23:30:00.123456+02:00"},
        {"x": 1},
    ):
        assert made(**same)["event_id"] == first
    others = [
        {"timestamp": "2026-03-01T21:30:00.123457"},
        {"progress_type": "completed"},
        {"user_id": "bob"},
        {"content_id": "saa-2", "content_id_certification": "saa-2#SAA"},
        {"certification_type": "DVA", "content_id_certification": "saa-1#DVA"},
    ]
    assert len({first, *(made(**other)["event_id"] for other in others)}) == 1 + len(others)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(list(ROW.values())),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), values))
def test_any_row_is_a_valid_interaction_or_has_faults(changes: dict[str, Any]) -> None:
    try:
        fields = made(**changes)
    except InvalidInteraction as error:
        faults = error.faults
    else:
        faults = ()
        assert parse(fields, NOW).user_id == fields["user_id"]
    assert all(fault.field in ROW and fault.message for fault in faults)
