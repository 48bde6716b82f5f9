"""What a learner's app can be told about one of its events: applied, in quarantine and why, or not seen."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json

from domain import shapes
from domain.achievement_shapes import earned_shape
from domain.achievements import Award, Rarity
from domain.days import microseconds, utc_day
from domain.interaction import InvalidInteraction, is_event_id, is_user_id, time_in


class Refusal(NamedTuple):
    """A record in quarantine whose learner and event_id can be read."""

    user_id: str
    event_id: str
    utc_day: int | None
    """The UTC day of its instant, in days since 2000-01-01; None if its time can't be read."""
    code: str
    reason: str
    """For a person."""


def refusal_of(payload: bytes, code: str, reason: str) -> Refusal | None:
    """Return the refusal of a record; None if it names no learner or no event_id."""
    try:
        fields = from_json(payload)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    user_id, event_id = fields.get("user_id"), fields.get("event_id")
    if not isinstance(user_id, str) or not isinstance(event_id, str):
        return None
    if not is_user_id(user_id) or not is_event_id(event_id):
        return None
    return Refusal(user_id, event_id, _utc_day(fields.get("occurred_at")), code, reason)


def _utc_day(occurred_at: object) -> int | None:
    if not isinstance(occurred_at, str):
        return None
    try:
        return utc_day(microseconds(time_in(occurred_at)))
    except InvalidInteraction:
        return None


def outcome_of(
    event_id: str,
    at: int,
    *,
    applied: bool,
    refusal: Refusal | None,
    awards: Sequence[Award],
    rarity: Rarity,
) -> shapes.EventOutcome:
    """Return what became of an event at an instant, in microseconds since 1970.

    An event that was refused first and applied later, after a redrive, is applied. Its awards are those that
    were reached at its instant.
    """
    brought = [award for award in awards if award.earned_at == at] if applied else []
    refused = None if applied else refusal
    return {
        "event_id": event_id,
        "status": "applied" if applied else "quarantined" if refused else "not_seen",
        "code": refused.code if refused else None,
        "reason": refused.reason if refused else None,
        "achievements": [earned_shape(award, rarity) for award in brought],
    }
