"""The codes of interactions that time or a release can make valid."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.interaction import MAX_AHEAD, InvalidInteraction, parse
from tests.factory import make_interaction

ARRIVAL = datetime(2026, 3, 2, 12, tzinfo=UTC)
AHEAD = {"occurred_at": (ARRIVAL + MAX_AHEAD + timedelta(microseconds=1)).isoformat()}


@pytest.mark.parametrize(
    ("changed", "code", "fields"),
    [
        (AHEAD, "too_early", ["occurred_at"]),
        ({"occurred_at": "2026-03-02T12:05:01Z"}, "too_early", ["occurred_at"]),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "too_early", ["occurred_at"]),
        ({**AHEAD, "score": 101}, "invalid", ["score"]),
        ({"occurred_at": "2026-03-03T09:00:00+15:00"}, "invalid", ["occurred_at"]),
        ({"timezone": "Mars/Olympus"}, "unknown_timezone", ["timezone"]),
        ({"timezone": "europe/helsinki"}, "unknown_timezone", ["timezone"]),
        ({"timezone": "Etc/GMT+15"}, "unknown_timezone", ["timezone"]),
        ({"timezone": "X" * 64}, "unknown_timezone", ["timezone"]),
        ({"timezone": "X" * 65}, "invalid", ["timezone"]),
        ({"timezone": ""}, "invalid", ["timezone"]),
        ({"timezone": "+02:00"}, "invalid", ["timezone"]),
        ({"timezone": "Europe/"}, "invalid", ["timezone"]),
        ({"timezone": "../../etc/passwd"}, "invalid", ["timezone"]),
        ({"timezone": "Europe/Helsinki\n"}, "invalid", ["timezone"]),
        ({"timezone": 2}, "invalid", ["timezone"]),
        ({"timezone": "Mars/Olympus", "score": 101}, "invalid", ["timezone", "score"]),
        ({"timezone": "Mars/Olympus", "user_id": ...}, "invalid", ["timezone", "user_id"]),
        (
            {"timezone": "Mars/Olympus", "occurred_at": "1999-01-01T00:00:00Z"},
            "invalid",
            ["timezone", "occurred_at"],
        ),
        ({"timezone": "Mars/Olympus", **AHEAD}, "unknown_timezone", ["timezone", "occurred_at"]),
    ],
)
def test_only_what_has_no_other_fault_can_become_valid(
    changed: dict[str, Any], code: str, fields: list[str]
) -> None:
    with pytest.raises(InvalidInteraction) as refusal:
        parse(make_interaction(**changed), ARRIVAL)
    assert refusal.value.code == code
    assert sorted(fault.field for fault in refusal.value.faults) == sorted(fields)


def test_what_is_too_early_passes_when_its_time_has_come() -> None:
    interaction = make_interaction(**AHEAD)
    assert parse(interaction, ARRIVAL + timedelta(microseconds=1)).event_id == interaction["event_id"]


@pytest.mark.parametrize("digits", [19, 20, 1_000_000])
def test_a_time_has_at_most_40_characters(digits: int) -> None:
    interaction = make_interaction(occurred_at=f"2026-03-02T09:00:00.{'1' * digits}Z")
    if digits == 19:
        assert len(interaction["occurred_at"]) == 40
        parse(interaction, ARRIVAL)
        return
    with pytest.raises(InvalidInteraction) as refusal:
        parse(interaction, ARRIVAL)
    [fault] = refusal.value.faults
    assert fault == ("occurred_at", "String should have at most 40 characters")
